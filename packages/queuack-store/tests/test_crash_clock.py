"""A wall clock that jumps by hours and days: no claim times out, nothing runs twice, and order is kept."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path
from typing import Any

import pytest
from queuack_store import DuckQueue, clock
from queuack_store.ids import to_text
from queuack_store.jobs import Outcome
from queuack_store.requests import Claim, Finish
from queuack_store.sharing import spawning
from queuack_store.sharing.places import Place
from queuack_store.testing.clock import WildWall
from queuack_store.testing.failpoints import doom, doomed, start_doomed_owners
from queuack_store.testing.tasks import LONG_S, echo

HOUR, DAY = 3_600, 86_400
JUMPS = [(HOUR, -HOUR), (0, DAY), (0, -DAY), (0, DAY, -DAY, HOUR)]


@pytest.fixture
def wild(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Opens a queue whose owner's wall clock jumps, as that of this process does."""
    monkeypatch.setattr(spawning, "BOOT", spawning.BOOT)
    monkeypatch.setattr(clock, "time", clock.time)

    def open_queue(owner: str, *jumps: float) -> DuckQueue:
        WildWall(*jumps).install()
        start_doomed_owners()
        doom(tmp_path / "jobs.db", [f"wall:{','.join(map(str, jumps))}"])
        queue = DuckQueue(tmp_path / "jobs.db", owner=owner)
        assert len(doomed(tmp_path / "jobs.db")[1]) == (owner == "process")
        return queue

    return open_queue


def _next(queue: DuckQueue) -> str:
    """Wait for the next ready job, report it done, and return its id."""
    (job,) = queue.store.call(Claim([("default", 0)], wait_s=LONG_S, whole=True), LONG_S)
    assert queue.store.call(Finish([Outcome(job.id, job.claim, result=b"")])) == []
    return to_text(job.id)


@pytest.mark.parametrize("jumps", JUMPS)
@pytest.mark.parametrize("owner", ["inline", "process"])
def test_jumps_move_neither_delays_nor_claims(wild: Any, owner: str, jumps: tuple[float, ...]) -> None:
    with wild(owner, *jumps) as queue:
        held = queue.enqueue(echo, priority=100)
        job = queue.claim(claim_timeout=LONG_S)
        delayed = {delay: queue.enqueue(echo, delay_seconds=delay) for delay in (0.6, 0.2, 0.4)}
        plain = [queue.enqueue(echo) for _ in range(5)]
        assert [queue.get_job(job_id).id for job_id in plain] == plain  # found, whatever time their ids bear
        assert [_next(queue) for _ in plain] == plain
        assert [_next(queue) for _ in delayed] == [delayed[delay] for delay in sorted(delayed)]
        queue.ack(job)
        ends = queue.sql("SELECT job_id::VARCHAR, outcome FROM job_attempts").fetchall()
        assert sorted(ends) == sorted((job_id, "done") for job_id in (held, *plain, *delayed.values()))


def test_claims_outlive_owners_whose_clocks_differ_by_days(wild: Any, tmp_path: Path) -> None:
    with wild("process", 0) as queue:
        made = [queue.enqueue(echo) for _ in range(6)]
        held = [queue.claim(claim_timeout=LONG_S) for _ in range(3)]
        for jump in (DAY, -DAY, HOUR, -HOUR):
            doom(tmp_path / "jobs.db", [f"wall:{jump}"])
            owner = Place(queue.db_path).announced()[0]
            watch = os.pidfd_open(owner)
            os.kill(owner, signal.SIGKILL)
            assert select.select([watch], [], [], LONG_S)[0]
            os.close(watch)
            made.append(queue.enqueue(echo))
            assert queue.stats()["claimed"] == 3
        assert len(doomed(tmp_path / "jobs.db")[1]) == 5
        for job in held:
            queue.ack(job)
        assert [_next(queue) for _ in made[3:]] == made[3:]  # in the order in which they came
        outcomes = queue.sql("SELECT outcome, count(*) FROM job_attempts GROUP BY ALL").fetchall()
        assert outcomes == [("done", len(made))]


def test_a_clock_set_back_while_nobody_was_there_holds_a_delay_and_nothing_else(wild: Any) -> None:
    with wild("inline", DAY) as queue:
        ready, late = queue.enqueue(echo), queue.enqueue(echo, delay_seconds=HOUR)
        done = queue.enqueue(echo, priority=100)
        assert _next(queue) == done
    with wild("inline", 0) as queue:
        new = queue.enqueue(echo)
        assert [_next(queue), _next(queue)] == [ready, new]
        assert queue.claim() is None
        assert queue.get_job(late).status == "delayed"  # until the day that was written down
        assert queue.get_job(done).status == "done"
    with wild("inline", 2 * DAY) as queue:
        assert _next(queue) == late
