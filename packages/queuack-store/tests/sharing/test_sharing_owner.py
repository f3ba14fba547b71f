"""The owner process: started once, handed over, killed, stopped, and gone when nobody needs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from queuack_store import ids
from queuack_store.errors import (
    StoreClosedError,
)
from queuack_store.jobs import NewJob, Outcome
from queuack_store.requests import Claim, Enqueue, Finish, Stats, Wait
from queuack_store.sharing import ownerlog, ownership
from queuack_store.sharing.client import ClientStore
from queuack_store.sharing.places import Place

AT_REST = {"jobs.db", "jobs.db.lock", "jobs.db.log"}


def _job() -> NewJob:
    return NewJob(ids.new_id(), "t", b"x")


def _left(path: str) -> set[str]:
    return set(os.listdir(os.path.dirname(path)))


def test_a_stampede_starts_one_owner(clients: Any, path: str, helpers: Any) -> None:
    crowd = clients(20)
    assert len({helpers.owner_of(path) for _ in crowd}) == 1
    for client in crowd:
        client.tell("enqueue 2")
    made = [job for client in crowd for job in client.hear()]
    assert len(set(made)) == 40
    assert crowd[0].do("stats")["pending"] == 40
    log = Path(path + ".log").read_text()
    assert log.count(" serves ") == 1
    for client in crowd:
        client.tell("close")
    for client in crowd:
        client.hear()
    assert _left(path) == AT_REST


def test_the_last_close_returns_when_the_file_is_free(path: str, helpers: Any) -> None:
    first, second = ClientStore(path), ClientStore(path)
    first.call(Enqueue([_job()]))
    owner = helpers.owner_of(path)
    first.close()
    assert helpers.owner_of(path) == owner
    second.close()
    assert _left(path) == AT_REST
    assert os.path.getsize(path + ".lock") == 0
    lock = ownership.take(Place(path))
    assert lock is not None
    lock.release()
    import duckdb

    with duckdb.connect(path, read_only=True) as db:
        assert db.execute("select count(*) from jobs").fetchall() == [(1,)]
    second.close()
    with pytest.raises(StoreClosedError):
        second.call(Stats())


def test_the_owner_is_nobodys_child_and_holds_nothing_of_its_starter(path: str, helpers: Any) -> None:
    store = ClientStore(path)
    owner = helpers.owner_of(path)
    assert os.getsid(owner) != os.getsid(0)
    assert os.readlink(f"/proc/{owner}/cwd") == "/"
    with open(f"/proc/{owner}/status") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    assert int(status["PPid"]) != os.getpid()
    assert status["Umask"] == "0077"
    held = {fd: os.readlink(f"/proc/{owner}/fd/{fd}") for fd in os.listdir(f"/proc/{owner}/fd")}
    assert held["0"] == held["1"] == "/dev/null"
    assert held["2"] == path + ".log"
    files = {f for f in held.values() if f.startswith("/") and not f.startswith(("/dev", "/proc"))}
    assert all(f.startswith(path) for f in files), files
    with open(f"/proc/{owner}/environ", "rb") as file:
        names = {pair.split(b"=")[0].decode() for pair in file.read().split(b"\0") if pair}
    assert not {name for name in names if name.startswith(("PYTHON", "PYTEST"))}
    for name in _left(path):
        assert os.stat(os.path.join(os.path.dirname(path), name)).st_mode & 0o077 == 0, name
    store.close()


def test_the_owner_leaves_when_its_clients_vanish(clients: Any, path: str, helpers: Any) -> None:
    client = clients()
    client.do("enqueue 1")
    owner = helpers.owner_of(path)
    client.kill()
    helpers.wait_gone(owner)
    assert _left(path) == AT_REST


def test_sigterm_is_an_orderly_close_and_the_clients_go_on(path: str, helpers: Any) -> None:
    store = ClientStore(path)
    store.call(Enqueue([_job()]))
    waiting = store.submit(Claim([("other", 1)], wait_s=helpers.PATIENCE_S))
    owner = helpers.owner_of(path)
    os.kill(owner, signal.SIGTERM)
    helpers.wait_gone(owner)
    store.call(Enqueue([NewJob(ids.new_id(), "t", b"", queue="other")]))
    assert len(waiting.result(helpers.PATIENCE_S)) == 1
    assert store.call(Stats())["pending"] == 1
    assert helpers.owner_of(path) != owner
    assert Path(path + ".log").read_text().count("SIGTERM") == 1
    store.close()


def test_sigterm_of_an_owner_that_nobody_asks_starts_no_other(path: str, helpers: Any) -> None:
    store = ClientStore(path)
    store.call(Enqueue([_job()]))
    owner = helpers.owner_of(path)
    os.kill(owner, signal.SIGTERM)
    helpers.wait_gone(owner)
    store.close()
    assert _left(path) == AT_REST
    assert Path(path + ".log").read_text().count(" serves ") == 1


def _kill_under_load(path: str, helpers: Any, rounds: int) -> None:
    """Kill the owner again and again while four threads enqueue; every answer stays true."""
    store = ClientStore(path)
    answered: list[bytes] = []
    over = threading.Event()
    progress = threading.Semaphore(0)

    def produce() -> None:
        while not over.is_set():
            job = _job()
            store.call(Enqueue([job]))
            answered.append(job.id)
            progress.release()

    threads = [threading.Thread(target=produce) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(rounds):
        for _ in range(50):
            assert progress.acquire(timeout=helpers.PATIENCE_S), "no progress"
        os.kill(helpers.owner_of(path), signal.SIGKILL)
    over.set()
    for thread in threads:
        thread.join()
    claimed = store.call(Claim([("default", 1)], count=1_000, whole=True))
    found = [job.id for job in claimed]
    while claimed:
        assert store.call(Finish([Outcome(job.id, job.claim) for job in claimed])) == []
        claimed = store.call(Claim([("default", 1)], count=1_000, whole=True))
        found += [job.id for job in claimed]
    assert sorted(found) == sorted(answered)
    store.close()
    assert _left(path) == AT_REST


def test_an_owner_killed_under_load_loses_and_doubles_nothing(path: str, helpers: Any) -> None:
    _kill_under_load(path, helpers, 3)


@pytest.mark.prove
@pytest.mark.timeout(1_800)
def test_an_owner_killed_very_often_loses_and_doubles_nothing(path: str, helpers: Any) -> None:
    _kill_under_load(path, helpers, 100)


def test_claims_outlive_their_owner(path: str, clients: Any, helpers: Any) -> None:
    store, other = ClientStore(path), clients()
    jobs = [_job() for _ in range(3)]
    store.call(Enqueue(jobs))
    held = store.call(Claim([("default", 1)], count=2, idle=2, whole=True))
    assert len(other.do("claim 1 1")) == 1
    other.process.kill()
    other.process.wait()
    lost: list[bytes] = []
    store.on_lost = lost.extend
    os.kill(helpers.owner_of(path), signal.SIGKILL)
    # The dead process's claim is free at once, ours are not given out again.
    (third,) = store.call(Claim([("default", 1)], count=3, whole=True, wait_s=helpers.PATIENCE_S))
    assert third.id not in {job.id for job in held}
    assert store.call(Finish([Outcome(job.id, job.claim) for job in (*held, third)])) == []
    assert store.call(Stats())["done"] == 3
    assert lost == []
    store.close()


def test_those_who_wait_are_carried_over(path: str, helpers: Any) -> None:
    waiter, worker = ClientStore(path), ClientStore(path)
    job = _job()
    worker.call(Enqueue([job]))
    result = waiter.submit(Wait(job.id))
    os.kill(helpers.owner_of(path), signal.SIGKILL)
    (held,) = worker.call(Claim([("default", 1)]))
    worker.call(Finish([Outcome(held.id, held.claim, result=b"r")]))
    assert result.result(helpers.PATIENCE_S).result == b"r"
    waiter.close()
    worker.close()


def test_a_person_may_run_an_owner_in_the_foreground(path: str, helpers: Any) -> None:
    command = [sys.executable, "-m", "queuack_store.sharing.owner", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as owner:
        assert "serves" in owner.stderr.readline()
        store = ClientStore(path)
        assert helpers.owner_of(path) == owner.pid
        again = subprocess.run(command, capture_output=True, text=True)
        assert again.returncode == 1
        assert "has an owner already" in again.stderr
        store.close()
        assert owner.wait(helpers.PATIENCE_S) == 0
        assert owner.stdout.read() == ""


def test_the_log_stays_small(path: str) -> None:
    log = Path(path + ".log")
    log.write_text("".join(f"{number} an old line\n" for number in range(50_000)))
    store = ClientStore(path)
    store.close()
    assert log.stat().st_size < ownerlog.KEPT_LOG_BYTES + 1_000
    assert log.read_text().startswith("4")
    assert log.read_text().count("49999 an old line") == 1
