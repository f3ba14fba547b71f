"""An owner inside this process: how it ends with its last handle, with a fault, with a forgotten one."""

from __future__ import annotations

import errno
import os
import select
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from queuack_store import DuckQueue
from queuack_store.errors import FileReplacedError, StorageError
from queuack_store.journal.disk import Disk
from queuack_store.requests import Claim
from queuack_store.sharing import ownership, server
from queuack_store.sharing.client import ClientStore
from queuack_store.sharing.places import Place
from queuack_store.testing.tasks import LONG_S, boom, echo, finish


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "jobs.db")


def _fail_the_next_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one sync of a journal fail, as a dying disk does."""
    real, failed = Disk.sync, threading.Event()

    def sync(self: Disk, fd: int) -> None:
        if not failed.is_set():
            failed.set()
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(self, fd)

    monkeypatch.setattr(Disk, "sync", sync)


def test_after_a_fault_the_file_can_be_opened_again(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with DuckQueue(path, owner="inline") as queue, DuckQueue(path, owner="inline") as second:
        kept = queue.enqueue(echo, ("kept",))
        engine = queue.store._engine
        _fail_the_next_sync(monkeypatch)
        with pytest.raises(StorageError, match="open the queue again"):
            queue.enqueue(echo, ("not acknowledged",))
        with pytest.raises(StorageError, match="open the queue again"):
            second.stats()
        with DuckQueue(path, owner="inline") as again:
            assert again.store._engine is not engine
            assert again.get_job(kept).status == "pending"
            finish(again)
            assert again.get_result(kept) == "kept"
    lock = ownership.take(Place(path))
    assert lock is not None
    lock.release()


def test_after_a_fault_the_clients_of_this_process_start_an_owner(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DuckQueue(path, owner="inline") as queue:
        client = ClientStore(path)
        waiting = client.submit(Claim([("default", 0)], wait_s=LONG_S, whole=True))
        other = client.submit(Claim([("other", 0)], wait_s=LONG_S, whole=True))
        kept = queue.enqueue(echo, ("kept",), queue="other")
        assert len(other.result(LONG_S)) == 1
        _fail_the_next_sync(monkeypatch)
        with pytest.raises(StorageError, match="open the queue again"):
            queue.enqueue(echo)
        with DuckQueue(path) as elsewhere:
            elsewhere.enqueue(echo)
            assert len(waiting.result(LONG_S)) == 1  # carried over to the owner that was started
            assert Place(path).announced()[0] != os.getpid()
            assert elsewhere.get_job(kept).status == "claimed"  # and what it held is still its own
        client.close()


@pytest.mark.parametrize("gone", [("", ".lock", ".sock"), ("",), (".lock",)])
def test_a_file_that_has_gone_ends_its_engine(
    path: str, monkeypatch: pytest.MonkeyPatch, gone: tuple[str, ...]
) -> None:
    with DuckQueue(path, owner="inline") as queue:
        queue.enqueue(echo, ("kept", "where only the lock has gone"))
        claiming = queue.store.submit(Claim([("idle", 1)], 1, 1, LONG_S, "w", LONG_S))
        for suffix in gone:
            os.unlink(path + suffix)
        monkeypatch.setattr(server, "CHECK_S", 0.0)
        with pytest.raises(FileReplacedError, match="deleted or replaced"):
            claiming.result(LONG_S)
        with pytest.raises(FileReplacedError, match="deleted or replaced"):
            queue.enqueue(echo, ("not acknowledged",))


def test_opening_while_the_last_handle_closes(path: str) -> None:
    """Each thread opens, works and closes: none meets an engine that is just being closed."""
    made: list[str] = []

    def come_and_go() -> None:
        for _ in range(10):
            with DuckQueue(path, owner="inline") as queue:
                made.append(queue.enqueue(echo))

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with DuckQueue(path, owner="inline") as queue:
        assert queue.stats()["pending"] == len(made) == 40


@pytest.mark.parametrize("owner", ["inline", ":memory:"])
def test_a_forgotten_handle_closes_its_engine(path: str, owner: str) -> None:
    queue = DuckQueue(path if owner == "inline" else owner, owner="inline")
    engine: Any = queue.store._engine
    queue.enqueue(echo)
    assert queue.claim() is not None
    del queue
    assert engine.ended.wait(LONG_S)
    if owner == "inline":
        with DuckQueue(path, owner="inline") as again:
            assert again.claim() is not None


ENDS = """
import sys, threading
from queuack_store import DuckQueue, opening
from queuack_store.requests import Claim
from queuack_store.testing.tasks import echo

opening.EXIT_S = 300.0  # this is about what is written, not about how soon
queue = DuckQueue(sys.argv[1], owner="inline")
job_id = queue.enqueue(echo)
waiting = queue.store.submit(Claim([("other", 0)], wait_s=600.0, whole=True))
threading.Thread(target=waiting.result, daemon=True).start()
queue.sql("SELECT 1")
print(job_id)
"""


@pytest.mark.parametrize("where", ["inline", ":memory:"])
def test_a_process_that_just_ends_writes_nothing_and_loses_nothing(path: str, where: str) -> None:
    target = path if where == "inline" else where
    done = subprocess.run(
        [sys.executable, "-c", ENDS, target], capture_output=True, text=True, timeout=LONG_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    if where == "inline":
        with DuckQueue(path, owner="inline") as again:
            assert again.get_job(done.stdout.strip()).status == "pending"


def test_a_forgotten_client_gives_back_what_it_held(path: str) -> None:
    with DuckQueue(path) as other:
        queue = DuckQueue(path)
        job_id = queue.enqueue(echo)
        assert queue.claim(claim_timeout=10 * LONG_S).id == job_id
        waiting = other.store.submit(Claim([("default", 0)], wait_s=LONG_S, whole=True))
        del queue
        assert len(waiting.result(LONG_S)) == 1


def test_an_owner_leaves_when_the_last_handle_is_forgotten(path: str) -> None:
    queue = DuckQueue(path)
    queue.enqueue(echo)
    watch = os.pidfd_open(Place(path).announced()[0])
    del queue
    assert select.select([watch], [], [], LONG_S)[0]
    os.close(watch)
    assert set(os.listdir(os.path.dirname(path))) == {"jobs.db", "jobs.db.lock", "jobs.db.log"}


def test_a_closed_handle_is_closed_once(path: str) -> None:
    queue = DuckQueue(path, owner="inline")
    calls: list[int] = []
    real = queue.store.close
    queue.store.close = lambda: (calls.append(1), real())  # type: ignore[method-assign]
    queue.close()
    finalizer = queue._unattended
    del queue
    assert not finalizer.alive
    assert calls == [1]


def test_a_retry_gives_as_many_attempts_as_were_asked_for_in_every_life(path: str) -> None:
    with DuckQueue(path) as queue:
        job_id = queue.enqueue(boom, max_attempts=2, retry_delay=0)
        finish(queue)
        finish(queue)
    for spent in (2, 4, 6):
        with DuckQueue(path) as queue:
            queue.retry_job(job_id)
            finish(queue)
            finish(queue)
            job = queue.get_job(job_id)
            assert job is not None
            assert (job.status, job.attempts, job.max_attempts) == ("failed", spent + 2, spent + 2)
