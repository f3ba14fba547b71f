"""DuckDB fails at every statement of the applier, in every way it does: no acknowledged job is lost by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from queuack_store import DuckQueue
from queuack_store.duckdb import opening
from queuack_store.engine import applier
from queuack_store.errors import StorageError
from queuack_store.testing.tasks import echo, finish

FULL = 'Failed to commit: Could not write file "jobs.db.wal": No space left on device'
DURABLE = "Transaction COMMIT succeeded and is durable, but the autocheckpoint failed"


def _full(real: Any, _run: Callable[[], Any]) -> None:
    raise duckdb.TransactionException(FULL)


def _invalidated(real: Any, _run: Callable[[], Any]) -> None:
    raise duckdb.FatalException("database has been invalidated because of a previous fatal error")


def _checkpoint_full(real: Any, _run: Callable[[], Any]) -> None:
    raise duckdb.FatalException("Failed to create checkpoint: No space left on device")


def _durable(real: Any, run: Callable[[], Any]) -> None:
    run()
    raise duckdb.FatalException(DURABLE)


def _aborted(real: Any, _run: Callable[[], Any]) -> None:
    real.execute("SELECT error('this statement fails')")  # DuckDB's COMMIT will say OK and store nothing


class Faulty:
    """A connection whose n-th statement from `arm` on fails, `times` times in a row."""

    left = times = 0
    fault: Callable[[Any, Callable[[], Any]], None] = staticmethod(_full)

    def __init__(self, real: Any) -> None:
        self._real = real

    @classmethod
    def arm(cls, fault: Callable[..., None], at: int, times: int = 1) -> None:
        cls.fault, cls.left, cls.times = staticmethod(fault), at, times

    def execute(self, *args: Any) -> Any:
        cls = type(self)
        if args[0] == "ROLLBACK" or not cls.times:
            return self._real.execute(*args)
        cls.left -= 1
        if cls.left > 0:
            return self._real.execute(*args)
        cls.times -= 1
        cls.fault(self._real, lambda: self._real.execute(*args))
        raise AssertionError("the fault did not fail")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.fixture(autouse=True)
def _faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    real = opening.open_writer
    monkeypatch.setattr(opening, "open_writer", lambda path: Faulty(real(path)))
    monkeypatch.setattr(applier, "FULL_DISK_PAUSE_S", 0.001)
    monkeypatch.setattr(applier, "INTERVAL_S", 0.001)
    Faulty.arm(_full, 0, 0)


def _live(queue: DuckQueue) -> dict[str, str]:
    """Have something of everything happen; return each job's id and the status it was acknowledged with."""
    ids = queue.enqueue_batch([(echo, (n,), {}) for n in range(4)])
    child = queue.enqueue(echo, ("child",), depends_on=ids[0], max_attempts=1)
    skipped = queue.enqueue(echo, depends_on=child)
    delayed, cancelled = queue.enqueue(echo, delay_seconds=3_600), queue.enqueue(echo, queue="other")
    queue.cancel(cancelled)
    queue.pause("other")
    for job in queue.claim_batch(3):
        queue.ack(job, job.id)
    queue.nack(queue.claim())
    finish(queue)
    queue.ack(queue.claim(), error="on purpose")
    queue.resume("other")
    expected = dict.fromkeys(ids, "done")
    return {**expected, child: "failed", skipped: "skipped", delayed: "delayed", cancelled: "cancelled"}


def _rows(queue: DuckQueue) -> dict[str, str]:
    return dict(queue.sql("SELECT id::VARCHAR, status FROM jobs").fetchall())


@pytest.mark.parametrize("fault", [_full, _invalidated, _checkpoint_full, _durable, _aborted])
def test_a_statement_that_fails_once_costs_nothing(tmp_path: Path, fault: Any) -> None:
    path = tmp_path / "jobs.db"
    known: dict[str, str] = {}
    with DuckQueue(path, owner="inline") as queue:
        at = 0
        while not Faulty.times:  # until the fault lies behind the last statement
            at += 1
            Faulty.arm(fault, at)
            known |= _live(queue)
            assert _rows(queue) == known
        assert at > 10
        Faulty.arm(fault, 0, 0)
    with DuckQueue(path, owner="inline") as queue:
        assert _rows(queue) == known
        done = [job_id for job_id, status in known.items() if status == "done"]
        assert len(done) == 4 * at
        assert sum(queue.get_result(job_id) is not None for job_id in done) == len(done)


def test_a_statement_that_always_fails_makes_the_queue_read_only_by_name(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    for at in (1, 2, 7, 15):
        queue = DuckQueue(path, owner="inline")
        before = _rows(queue)
        Faulty.arm(_aborted, at, 1_000_000)
        known = _live(queue)
        with pytest.raises(StorageError, match="queuack doctor"):
            queue.sql("SELECT * FROM jobs")
        for call in (lambda queue=queue: queue.enqueue(echo), queue.claim):
            with pytest.raises(StorageError, match="queuack doctor"):
                call()
        assert queue.stats()["done"] == 4 + sum(status == "done" for status in before.values())
        queue.close()
        Faulty.arm(_full, 0, 0)
        with DuckQueue(path, owner="inline") as again:  # the journal has what DuckDB refused
            assert _rows(again) == before | known
