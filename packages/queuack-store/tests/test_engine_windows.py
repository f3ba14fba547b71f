"""The windows over ready jobs: within their bounds at once, whatever came, and nothing lost by it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from queuack_store.engine import window
from queuack_store.engine.inbox import OpenSession
from queuack_store.engine.refill import Refiller
from queuack_store.jobs import NewJob, NewRun, Outcome, SessionInfo
from queuack_store.requests import Claim, Enqueue, Finish
from queuack_store.testing.bench import Bench
from queuack_store.testing.bounds import small_bounds

SESSION, RUN = b"s" * 16, b"r" * 16
FIRST, COUNT = b"f" * 16, 300  # many times what fits


def test_far_too_much_at_once_costs_one_cycle_and_comes_in_order() -> None:
    with small_bounds():
        bench = Bench()
        ask = partial(bench.ask, SESSION)
        ask(OpenSession(SessionInfo(SESSION, pid=1)))
        ask(Enqueue([NewJob(FIRST, "t:f", b"", run_id=RUN)], runs=[NewRun(RUN, "run")]))
        (first,) = ask(Claim([], run_id=RUN))  # from here on there are two windows: the queue's and the run's
        ids = [n.to_bytes(16, "big") for n in range(COUNT)]
        ask(Enqueue([NewJob(one, "t:f", b"", run_id=RUN) for one in ids]))
        assert bench.windowed <= COUNT + window.MAX_WINDOW_JOBS // 2  # the larger one has its bound
        found = []
        while claimed := ask(Claim([("default", 1)], 7, 7)):
            assert bench.windowed <= 2 * window.MAX_WINDOW_JOBS
            found += [job.id for job in claimed]
            ask(Finish([Outcome(job.id, job.claim) for job in claimed]))
        assert found == ids
        ask(Finish([Outcome(first.id, first.claim)]))


QUEUES, EACH, ROUNDS = 40, 30, 5


def many_queues(bench: Bench, queues: int, each: int) -> tuple[Callable[..., Any], Iterator[bytes]]:
    """Fill every queue; return how to ask, and more ids."""
    ask = partial(bench.ask, SESSION)
    ask(OpenSession(SessionInfo(SESSION, pid=1)))
    ids = (n.to_bytes(16, "big") for n in itertools.count(1))
    for queue in range(queues):
        ask(Enqueue([NewJob(next(ids), "t:f", b"", queue=f"q{queue}") for _ in range(each)]))
    return ask, ids


def test_many_queues_that_fill_memory_are_not_read_for_a_job_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window, "MAX_WINDOW_JOBS", 800)  # of the 1,200 that there are
    bench, reads = Bench(), 0
    read = bench.core.lookup.read

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal reads
        reads += 1
        return read(*arguments, **named)

    monkeypatch.setattr(bench.core.lookup, "read", counted)

    ask, _ = many_queues(bench, QUEUES, EACH)
    filled = reads
    for _ in range(ROUNDS):
        for queue in range(QUEUES):
            (job,) = ask(Claim([(f"q{queue}", 1)], 1, 1))
            ask(Finish([Outcome(job.id, job.claim)]))
    # A read scans the file and all that is in memory: it is worth making for a few jobs, not for each.
    assert reads - filled <= QUEUES * ROUNDS // 4


def test_with_memory_full_a_cycle_of_an_enqueue_looks_at_no_other_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window, "MAX_WINDOW_JOBS", 500)
    bench, balancing, looks, queues = Bench(), False, 0, 60
    ask, ids = many_queues(bench, queues, 20)

    def counted(kind: str) -> None:
        plain = getattr(window.Window, kind)

        def look(*arguments: Any) -> Any:
            nonlocal looks
            looks += balancing  # the bench looks, too
            return plain(*arguments)

        monkeypatch.setattr(window.Window, kind, look)

    def balance(refiller: Refiller) -> None:
        nonlocal balancing
        balancing = True
        plain_balance(refiller)
        balancing = False

    plain_balance = Refiller.balance
    monkeypatch.setattr(Refiller, "balance", balance)
    for kind in ("__len__", "payload", "wants_refill"):
        counted(kind)
    for queue in range(queues):
        ask(Enqueue([NewJob(next(ids), "t:f", b"", queue=f"q{queue}")]))
    assert looks <= queues // 4
