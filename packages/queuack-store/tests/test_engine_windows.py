"""The windows over ready jobs: within their bounds at once, whatever came, and nothing lost by it."""

from __future__ import annotations

from typing import Any

from queuack_store.engine import window
from queuack_store.engine.inbox import OpenSession
from queuack_store.jobs import NewJob, NewRun, Outcome, SessionInfo
from queuack_store.requests import Claim, Enqueue, Finish
from queuack_store.testing.bench import NOBODY, Bench
from queuack_store.testing.bounds import small_bounds
from queuack_store.testing.deeds import DatedAsk

SESSION, RUN = b"s" * 16, b"r" * 16
FIRST, COUNT = b"f" * 16, 300  # many times what fits


def test_far_too_much_at_once_costs_one_cycle_and_comes_in_order() -> None:
    with small_bounds():
        bench, seq = Bench(), 0

        def ask(request: Any) -> Any:
            nonlocal seq
            seq += 1
            mine = DatedAsk(SESSION, request, NOBODY, seq, seq)
            replies = bench.cycle([mine])
            held.append(bench.core.state.load.entries)
            replies += bench.settle()
            return next((value for a, value in replies if a is mine), None)

        held: list[int] = []
        ask(OpenSession(SessionInfo(SESSION, pid=1)))
        ask(Enqueue([NewJob(FIRST, "t:f", b"", run_id=RUN)], runs=[NewRun(RUN, "run")]))
        (first,) = ask(Claim([], run_id=RUN))  # from here on there are two windows: the queue's and the run's
        ids = [n.to_bytes(16, "big") for n in range(COUNT)]
        ask(Enqueue([NewJob(one, "t:f", b"", run_id=RUN) for one in ids]))
        assert held[-1] <= COUNT + window.MAX_WINDOW_JOBS // 2  # the larger one has its bound
        found = []
        while claimed := ask(Claim([("default", 1)], 7, 7)):
            assert held[-1] <= 2 * window.MAX_WINDOW_JOBS
            found += [job.id for job in claimed]
            ask(Finish([Outcome(job.id, job.claim) for job in claimed]))
        assert found == ids
        ask(Finish([Outcome(first.id, first.claim)]))
