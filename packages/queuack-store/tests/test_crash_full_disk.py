"""A disk that fills up under a whole queue: the request fails, nothing is lost, and the queue goes on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from queuack_store import DuckQueue
from queuack_store.duckdb.database import DuckBackend
from queuack_store.engine import applier
from queuack_store.errors import StorageFullError
from queuack_store.sharing.places import Place
from queuack_store.testing.tasks import LONG_S, echo, finish


def _fill(queue: DuckQueue, size: int) -> list[str]:
    """Enqueue jobs of so many bytes until the disk is full; return those that were acknowledged."""
    made: list[str] = []

    def fill() -> None:
        while True:
            made.append(queue.enqueue(len, (os.urandom(size),), check_backpressure=False))

    with pytest.raises(StorageFullError, match=r"full.*room") as met:
        fill()
    assert met.value.retryable
    return made


@pytest.mark.parametrize("owner", ["process", "inline"])
def test_a_disk_fills_up_and_has_room_again(small_disk: Callable[[str], Path], owner: str) -> None:
    disk = small_disk("12m")
    filler = disk / "filler"
    filler.write_bytes(bytes(9 << 20))
    path = disk / "jobs.db"
    with DuckQueue(path, owner=owner) as queue:
        pid = Place(path).announced()[0]
        running = [queue.enqueue(echo, (n,), priority=90) for n in range(3)]
        jobs = [queue.claim() for _ in running]
        made = _fill(queue, 20_000)
        assert len(made) > 10
        made += _fill(queue, 100)
        with pytest.raises(StorageFullError):
            queue.enqueue_batch([(len, (os.urandom(1_000),), {})] * 100)
        for job in jobs:  # what was running can still say how it went
            queue.ack(job, job.id)
        assert queue.stats()["done"] == 3
        assert queue.stats()["pending"] == len(made)
        assert {queue.get_job(job_id).status for job_id in made} == {"pending"}
        filler.unlink()
        made.append(queue.enqueue(echo, ("there is room",), check_backpressure=False))
        assert Place(path).announced()[0] == pid  # nobody had to start anew
        assert queue.sql("SELECT count(*) FROM jobs WHERE status = 'pending'").fetchall() == [(len(made),)]
    with DuckQueue(path, owner=owner) as queue:
        assert [queue.get_result(job_id) for job_id in running] == running
        assert sorted(finish(queue).id for _ in made) == sorted(made)
        assert queue.claim() is None
    assert set(os.listdir(disk)) <= {  # all of it was checkpointed: the rest was let go of
        "jobs.db",
        "jobs.db.lock",
        "jobs.db.log",
    }


def test_while_the_rows_wait_for_room_requests_fail_and_do_not_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applier, "MAX_LAG_S", 0.0)
    with DuckQueue(tmp_path / "jobs.db", owner="inline") as queue:
        running = queue.enqueue(echo, (1,))
        job = queue.claim()
        tried = threading.Event()

        def fail(self: DuckBackend, records: list[Any]) -> None:
            tried.set()
            raise StorageFullError("the disk of jobs.db is full: cycle 3 waits until there is room")

        with monkeypatch.context() as full:
            full.setattr(DuckBackend, "apply", fail)
            queue.ack(job, "r")  # needs no room of its own
            assert tried.wait(LONG_S)
            for call in (lambda: queue.enqueue(echo), queue.claim):
                with pytest.raises(StorageFullError, match=r"Nothing of this request was stored.*again"):
                    call()
            assert queue.get_result(running) == "r"
        assert queue.sql("SELECT count(*) FROM jobs").fetchall() == [(1,)]  # waits until all is applied
        queue.enqueue(echo)
        finish(queue)
        assert queue.stats()["done"] == 2
