"""The core against the model, rule by rule: hypothesis looks for the shortest story in which they differ."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

pytest.register_assert_rewrite("queuack_store.testing")

from queuack_store.engine.inbox import CloseSession, OpenSession  # noqa: E402
from queuack_store.jobs import Growth, Memo, NewJob, NewRun, Outcome, SessionInfo  # noqa: E402
from queuack_store.requests import (  # noqa: E402
    Cancel,
    Claim,
    Enqueue,
    Finish,
    GetJob,
    GetResults,
    Heartbeat,
    Pause,
    Purge,
    Request,
    Reschedule,
    Retry,
    Stats,
    Verdict,
    Wait,
    WaitRun,
)
from queuack_store.retry import RetryPolicy  # noqa: E402
from queuack_store.states import ENDED  # noqa: E402
from queuack_store.testing.bench import NOBODY, Bench  # noqa: E402
from queuack_store.testing.bounds import small_bounds  # noqa: E402
from queuack_store.testing.deeds import DatedAsk  # noqa: E402

QUEUES = ("a", "b")
SESSIONS = [bytes([n]) * 16 for n in range(1, 4)]
session_numbers = st.integers(0, len(SESSIONS) - 1)
places = st.integers(0, 30)  # of a job: the newest, the one before it, ...
queues = st.sampled_from(QUEUES)
priorities = st.sampled_from([0, 50, 100])
delays = st.sampled_from([0.0, 0.0, 2.0, 30.0])
jobs = st.fixed_dictionaries(
    {
        "queue": queues,
        "priority": priorities,
        "max_attempts": st.integers(1, 3),
        "delay_s": delays,
        "mode": st.sampled_from(["all", "any", "always"]),
        "expires_s": st.sampled_from([None, None, 10.0]),
        "retry": st.sampled_from([RetryPolicy(0.0), RetryPolicy(5.0, 1.0, 0.0)]),
    }
)


class CoreMachine(RuleBasedStateMachine):
    """One core, three sessions, two queues; rows that lag, reads that return late, appends that fail."""

    def __init__(self) -> None:
        super().__init__()
        self._bounds = small_bounds()
        self._bounds.__enter__()
        self.bench = Bench()
        self.made: list[bytes] = []
        self.run_ids: list[bytes] = []
        self.held: dict[int, dict[bytes, int]] = {n: {} for n in range(len(SESSIONS))}
        self.seq = 0

    def teardown(self) -> None:
        try:
            self.bench.settle()
            self.bench.restart()
            self.bench.settle()
        finally:
            self._bounds.__exit__(None, None, None)

    def ask(self, number: int, *requests: Any) -> None:
        """Put requests of one session into one cycle."""
        asks = []
        for request in requests:
            self.seq += 1
            asks.append(DatedAsk(SESSIONS[number], request, NOBODY, self.seq, self.seq))
        self.hear(self.bench.cycle(asks))

    def hear(self, replies: list[tuple[Any, Any]]) -> None:
        for ask, value in replies:
            if isinstance(ask.request, Claim) and isinstance(value, list):
                self.held[SESSIONS.index(ask.session)].update((job.id, job.claim) for job in value)

    def job(self, place: int) -> bytes:
        return self.made[-1 - place % len(self.made)] if self.made else bytes(16)

    def fresh(self) -> bytes:
        self.seq += 1
        return self.seq.to_bytes(16, "big")

    # -- sessions --------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        for number in range(len(SESSIONS)):
            self.open(number, True)

    @rule(number=session_numbers, knows=st.booleans())
    def open(self, number: int, knows: bool) -> None:
        holds = list(self.held[number].items()) if knows else []
        self.held[number] = dict(holds)
        self.ask(number, OpenSession(SessionInfo(SESSIONS[number], pid=number + 1), holds))

    @rule(number=session_numbers, orderly=st.booleans())
    def close(self, number: int, orderly: bool) -> None:
        self.ask(number, CloseSession(SESSIONS[number], orderly))

    @rule(number=session_numbers, wait_s=st.sampled_from([0.0, 5.0]))
    def heartbeat(self, number: int, wait_s: float) -> None:
        self.ask(number, Heartbeat(wait_s))

    # -- jobs ------------------------------------------------------------------------------------

    @rule(number=session_numbers, specs=st.lists(st.tuples(jobs, st.sets(places, max_size=3)), min_size=1))
    def enqueue(self, number: int, specs: list[tuple[dict[str, Any], set[int]]]) -> None:
        new = [self.new_job(facts, parents) for facts, parents in specs]
        self.ask(number, Enqueue(new))

    def new_job(self, facts: dict[str, Any], parents: set[int], run_id: bytes | None = None) -> NewJob:
        ids = tuple(sorted({self.job(place) for place in parents})) if self.made else ()
        job = NewJob(self.fresh(), "tests:task", b"payload", parents=ids, run_id=run_id, **facts)
        self.made.append(job.id)
        return job

    @rule(number=session_numbers, specs=st.lists(st.tuples(jobs, st.sets(places, max_size=2)), min_size=1))
    def submit_run(self, number: int, specs: list[tuple[dict[str, Any], set[int]]]) -> None:
        run_id = self.fresh()
        self.run_ids.append(run_id)
        new = [self.new_job(facts, parents, run_id) for facts, parents in specs]
        self.ask(number, Enqueue(new, runs=[NewRun(run_id, "run")]))

    @rule(
        number=session_numbers,
        weights=st.dictionaries(queues, st.sampled_from([0, 10]), min_size=1),
        count=st.sampled_from([1, 3, 10]),
        wait_s=st.sampled_from([0.0, 20.0]),
        whole=st.booleans(),
        lease_s=st.sampled_from([15.0, 300.0]),
    )
    def claim(
        self, number: int, weights: dict[str, int], count: int, wait_s: float, whole: bool, lease_s: float
    ) -> None:
        names = list(weights.items())
        self.ask(number, Claim(names, count, wait_s=wait_s, whole=whole, claim_timeout_s=lease_s))

    @precondition(lambda self: self.run_ids)
    @rule(number=session_numbers, place=places)
    def claim_of_run(self, number: int, place: int) -> None:
        run_id = self.run_ids[-1 - place % len(self.run_ids)]
        self.ask(number, Claim([], 2, run_id=run_id, whole=True), WaitRun(run_id))

    @rule(
        number=session_numbers,
        count=st.integers(1, 4),
        kind=st.sampled_from(["done", "done", "failed", "returned", "cancelled", "skipped"]),
        final=st.booleans(),
        delay_s=st.sampled_from([None, 2.0]),
    )
    def finish(self, number: int, count: int, kind: str, final: bool, delay_s: float | None) -> None:
        taken = list(self.held[number].items())[:count]
        for job_id, _ in taken:
            del self.held[number][job_id]
        outcomes = [Outcome(i, claim, kind, final=final, delay_s=delay_s, result=b"r") for i, claim in taken]
        self.ask(number, Finish(outcomes))

    @rule(
        number=session_numbers,
        kind=st.sampled_from(["done", "done", "grown", "failed"]),
        facts=st.lists(jobs, max_size=3),
        fed=st.sets(places, max_size=2),
        closed=st.sets(places, max_size=2),
        in_run=st.booleans(),
    )
    def grow(
        self,
        number: int,
        kind: str,
        facts: list[dict[str, Any]],
        fed: set[int],
        closed: set[int],
        in_run: bool,
    ) -> None:
        if not self.held[number] or not self.made:
            return
        job_id, claim = next(iter(self.held[number].items()))
        if kind != "grown":
            del self.held[number][job_id]
        feeds = tuple(sorted({self.job(place) for place in fed}))
        shut = sorted({self.job(place) for place in closed})
        run_id = self.fresh() if in_run else None
        new = [NewJob(self.fresh(), "tests:task", b"p", run_id=run_id, feeds=feeds, **f) for f in facts]
        self.made += [job.id for job in new]
        if run_id is not None:
            self.run_ids.append(run_id)
        runs = [NewRun(run_id, "grown")] if run_id is not None else []
        growth = Growth(new, runs, shut, "not chosen", Memo(job_id))
        self.ask(number, Finish([Outcome(job_id, claim, kind, result=b"r", growth=growth)]))

    @rule(number=session_numbers, count=st.integers(1, 4))
    def start(self, number: int, count: int) -> None:
        self.ask(number, Finish(started=list(self.held[number].items())[:count]))

    @rule(number=session_numbers, place=places, claim=st.integers(0, 20))
    def finish_what_is_not_held(self, number: int, place: int, claim: int) -> None:
        self.ask(number, Finish([Outcome(self.job(place), claim)]))

    @rule(
        number=session_numbers,
        holder=session_numbers,
        count=st.integers(1, 4),
        spared=st.integers(0, 3),
        whole=st.booleans(),
    )
    def judge(self, number: int, holder: int, count: int, spared: int, whole: bool) -> None:
        """Say that what another session holds, or held until it died, ended with its process."""
        released = list(self.bench.core.state.unexplained)[-2:]
        known = [*list(self.held[holder].items())[: count + spared], *released]
        self.ask(number, Verdict(known[:count], "killed", None, known[count:], whole))

    # -- upkeep ----------------------------------------------------------------------------------

    @rule(number=session_numbers, place=places)
    def cancel(self, number: int, place: int) -> None:
        self.ask(number, Cancel(self.job(place)))

    @rule(number=session_numbers, place=places, everything=st.booleans())
    def retry(self, number: int, place: int, everything: bool) -> None:
        self.ask(number, Retry() if everything else Retry([self.job(place)]))

    @rule(number=session_numbers, queue=queues, paused=st.booleans())
    def pause(self, number: int, queue: str, paused: bool) -> None:
        self.ask(number, Pause(queue, paused))

    @rule(number=session_numbers, place=places, priority=priorities | st.none(), delay_s=delays | st.none())
    def reschedule(self, number: int, place: int, priority: int | None, delay_s: float | None) -> None:
        self.ask(number, Reschedule(self.job(place), priority, delay_s))

    @rule(number=session_numbers, queue=queues | st.none(), status=st.sampled_from(sorted(ENDED)))
    def purge(self, number: int, queue: str | None, status: str) -> None:
        self.ask(number, Purge(queue, status, 0.0))

    @rule(number=session_numbers, place=places, queue=queues | st.none())
    def look(self, number: int, place: int, queue: str | None) -> None:
        job_id = self.job(place)
        questions: list[Request] = [Stats(queue), GetJob(job_id), GetResults([job_id]), Wait(job_id)]
        self.ask(number, *questions)

    # -- the world -------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.503, 3.003, 11.003, 20.003, 400.003]))
    def let_time_pass(self, seconds: float) -> None:
        self.bench.now += seconds
        self.hear(self.bench.cycle())

    @rule(count=st.integers(1, 5))
    def apply(self, count: int) -> None:
        self.bench.apply(count)

    @precondition(lambda self: self.bench.reads)
    @rule(place=places)
    def read(self, place: int) -> None:
        self.bench.read(place)

    @precondition(lambda self: self.bench.arrivals)
    @rule(place=places)
    def deliver(self, place: int) -> None:
        self.bench.deliver(place)
        self.hear(self.bench.cycle())

    @rule()
    def settle(self) -> None:
        self.hear(self.bench.settle())

    @rule(reserve=st.booleans(), queue=queues)
    def fill_the_disk(self, reserve: bool, queue: str) -> None:
        """Let a cycle that hands out jobs, and does whatever is due, fail to be stored."""
        self.seq += 1
        claim = DatedAsk(SESSIONS[0], Claim([(queue, 0)], 3, whole=True), NOBODY, self.seq, self.seq)
        if reserve:
            self.hear(self.bench.cycle([claim], full=True))
        else:
            self.bench.fail([claim])

    @rule(dead=st.sets(session_numbers))
    def take_over(self, dead: set[int]) -> None:
        self.bench.restart({SESSIONS[n] for n in dead})
        for number in dead:
            self.held[number] = {}

    @invariant()
    def agree(self) -> None:
        self.bench.audit()


class LongMachine(CoreMachine):
    """The same, at length."""


TestCoreMachine = CoreMachine.TestCase
TestCoreMachine.settings = settings(
    max_examples=300,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,  # the short profile plays the same cases each time; the long one looks for new ones
    suppress_health_check=list(HealthCheck),
)
TestLongMachine = pytest.mark.prove(pytest.mark.timeout(7_200)(LongMachine.TestCase))
TestLongMachine.settings = settings(
    max_examples=5_000, stateful_step_count=120, deadline=None, suppress_health_check=list(HealthCheck)
)
