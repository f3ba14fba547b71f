"""Jobs that close the descriptors of their process: it ends, says why, and is replaced."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import worker_jobs as jobs
from queuack_store import DuckQueue, JobFailedError, JobStatus
from worker_pools import RunningPool, gone
from worker_signals import Signals

WAIT_S = 60.0
Start = Callable[..., RunningPool]


@pytest.mark.parametrize("then", [0.0, 0.5], ids=["returns", "goes on"])
def test_a_child_whose_descriptors_a_job_closed_is_replaced(
    shared: DuckQueue, pool_of: Start, signals: Signals, then: float
) -> None:
    pool = pool_of(1, heartbeat_s=0.1)
    job_id = shared.enqueue(jobs.close_descriptors, (signals.address, then), max_attempts=2, retry_delay=0.0)
    with pytest.raises(JobFailedError):
        shared.wait(job_id, WAIT_S)
    deaths = pool.wait_for("child_died", 2)
    assert gone(int(signals.wait()))
    job = shared.get_job(job_id)
    assert job is not None
    assert (job.status, job.attempts) == (JobStatus.FAILED, 2)
    told = shared.attempts(job_id)
    assert [(a["outcome"], a["error"]) for a in told] == [("died", d.facts["verdict"]) for d in deaths]
    assert all("a job in it had closed its descriptors" in a["error"] for a in told)
    assert shared.wait(shared.enqueue(jobs.add, (1, 2)), WAIT_S) == 3
