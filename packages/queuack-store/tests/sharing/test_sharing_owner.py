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
    FileReplacedError,
    ForeignOwnerError,
    NetworkFileSystemError,
    OwnerLostError,
    OwnerStartError,
    OwnerTimeoutError,
    StorageError,
    StoreClosedError,
)
from queuack_store.jobs import NewJob, Outcome
from queuack_store.requests import Claim, Enqueue, Finish, Stats, Wait
from queuack_store.sharing import courier, filesystems, ownership, spawning
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
    """Kill the owner again and again while four threads enqueue; every answer must still be true at the end."""
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


def test_a_stopped_owner_is_named_and_nobody_takes_over(path: str, helpers: Any) -> None:
    store = ClientStore(path)
    owner = helpers.owner_of(path)
    helpers.stop(owner)
    with pytest.raises(OwnerTimeoutError, match=f"process {owner}.*kill -CONT") as met:
        store.call(Enqueue([_job()]), timeout=0.2)
    assert met.value.facts["pid"] == owner
    with pytest.raises(OwnerTimeoutError, match=f"process {owner}.*kill -CONT"):
        ClientStore(path, timeout_seconds=0.2)
    os.kill(owner, signal.SIGCONT)
    assert store.call(Stats(), timeout=helpers.PATIENCE_S)["pending"] == 1  # what was sent still happened
    assert helpers.owner_of(path) == owner
    store.close()


def test_calls_without_a_timeout_notice_a_stopped_owner(
    path: str, helpers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "BEAT_S", 0.05)
    monkeypatch.setattr(courier, "SILENT_S", 0.3)
    store = ClientStore(path)
    owner = helpers.owner_of(path)
    helpers.stop(owner)
    asked = store.submit(Stats())
    with pytest.raises(OwnerTimeoutError, match=f"process {owner}"):
        store.call(Stats())
    assert isinstance(asked.exception(helpers.PATIENCE_S), OwnerTimeoutError)
    monkeypatch.setattr(courier, "CLOSE_S", 0.2)
    with pytest.raises(OwnerTimeoutError, match=f"process {owner}"):
        store.close()
    os.kill(owner, signal.SIGCONT)
    helpers.wait_gone(owner)


def test_a_file_that_is_no_database_is_named_as_the_owner_met_it(path: str) -> None:
    Path(path).write_bytes(b"this is a letter to my aunt " * 1_000)
    with pytest.raises(StorageError, match="jobs.db") as met:
        ClientStore(path)
    assert "letter" in Path(path).read_text()
    assert type(met.value) is not StorageError
    assert ownership.take(Place(path)) is not None


def test_an_owner_that_can_not_start_shows_the_end_of_its_log(
    path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "python-broken"
    script.write_text("#!/bin/sh\necho 'the machine is on fire' >&2\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(OwnerStartError, match="the machine is on fire"):
        ClientStore(path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python-missing"))
    with pytest.raises(OwnerStartError, match="inline"):
        ClientStore(path)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(OwnerStartError, match="no Python interpreter"):
        ClientStore(path)
    assert ownership.take(Place(path)) is not None


def test_an_embedding_program_finds_its_interpreter(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/usr/sbin/webserver")
    store = ClientStore(path)
    store.close()


def test_the_owner_imports_from_where_its_starter_did(path: str, tmp_path: Path) -> None:
    """PYTHONPATH alone knows the packages, and the working directory holds traps."""
    (tmp_path / "duckdb.py").write_text("raise SystemExit('trapped')")
    (tmp_path / "socket.py").write_text("raise SystemExit('trapped')")
    code = (
        "import sys; sys.path[:0] = sys.argv[2].split(':')\n"
        "from queuack_store.sharing.client import ClientStore\n"
        "store = ClientStore(sys.argv[1]); store.close(); print('served')"
    )
    folders = ":".join(spawning._folders())
    run = subprocess.run(
        [sys.executable, "-S", "-P", "-c", code, path, folders],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "PYTHONSTARTUP": "x", "PYTHONPATH": str(tmp_path / "nowhere")},
    )
    assert run.stdout == "served\n", run.stderr


def test_a_network_file_system_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = filesystems.mounted_as(path, Path("/proc/self/mountinfo").read_text())
    monkeypatch.setattr(filesystems, "_NETWORK", frozenset({kind}))
    with pytest.raises(NetworkFileSystemError, match=kind):
        ClientStore(path)


def test_a_deleted_file_is_noticed_by_both_sides(path: str, helpers: Any) -> None:
    old = ClientStore(path)
    old.call(Enqueue([_job()]))
    owner = helpers.owner_of(path)
    os.unlink(path)
    with pytest.raises(
        StorageError, match="missing"
    ):  # its journal is there: nothing is made up in its place
        ClientStore(path)
    helpers.wait_gone(owner)
    with pytest.raises(FileReplacedError, match="deleted or replaced"):
        old.call(Stats())
    old.close()
    for name in _left(path) - AT_REST:
        os.unlink(os.path.join(os.path.dirname(path), name))
    new = ClientStore(path)
    assert new.call(Stats())["pending"] == 0
    new.close()
    assert _left(path) == AT_REST


def test_a_deleted_lock_makes_the_owner_leave(path: str, helpers: Any) -> None:
    store = ClientStore(path)
    store.call(Enqueue([_job()]))
    owner = helpers.owner_of(path)
    os.unlink(path + ".lock")
    other = ClientStore(path, timeout_seconds=helpers.PATIENCE_S)
    assert other.call(Stats())["pending"] == 1
    helpers.wait_gone(owner)
    assert store.call(Stats())["pending"] == 1
    store.close()
    other.close()


def test_a_long_path_is_handled(tmp_path: Path, helpers: Any) -> None:
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    path = str(folder / "jobs.db")
    first, second = ClientStore(path), ClientStore(path)
    announced = Place(path).announced()
    assert announced is not None
    assert not announced[1].startswith(str(tmp_path))
    first.call(Enqueue([_job()]))
    assert second.call(Stats())["pending"] == 1
    first.close()
    second.close()
    assert not os.path.exists(announced[1])
    assert set(os.listdir(folder)) == AT_REST


def test_another_users_owner_is_named(path: str, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder) in ("/tmp", "/"):
            break
        folder.chmod(0o777 if folder == tmp_path else folder.stat().st_mode | 0o011)
    store = ClientStore(path)
    os.chmod(store._courier.place.socket, 0o666)  # as if the permissions were no obstacle
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(65_534)
        try:
            ClientStore(path, timeout_seconds=5)
            os.write(into, b"let in")
        except Exception as error:
            os.write(into, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    said = os.read(out, 10_000).decode()
    assert said.startswith(ForeignOwnerError.__name__), said
    assert "user 0" in said
    store.close()


def test_owners_that_keep_dying_are_given_up(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ClientStore(path)
    owner = Place(path).announced()
    assert owner is not None
    started: list[int] = []
    real = spawning.start_owner

    def start_and_kill(*args: Any) -> int:
        pid = real(*args)
        started.append(pid)
        os.kill(pid, signal.SIGSTOP)  # greets nobody, and dies before it answers
        threading.Timer(0.05, os.kill, (pid, signal.SIGKILL)).start()
        return pid

    monkeypatch.setattr("queuack_store.sharing.dialing.start_owner", start_and_kill)
    monkeypatch.setattr(courier, "RECONNECT_S", 1.0)
    os.kill(owner[0], signal.SIGKILL)
    with pytest.raises((OwnerLostError, OwnerTimeoutError)):
        store.call(Stats())
    assert started
    monkeypatch.undo()
    assert store.call(Stats())["pending"] == 0
    store.close()
