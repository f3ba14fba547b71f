"""Runs within runs, also where one of them has left the engine's memory."""

from __future__ import annotations

from functools import partial

from queuack_store.engine.inbox import OpenSession
from queuack_store.jobs import Growth, NewJob, NewRun, Outcome, SessionInfo
from queuack_store.requests import Claim, Enqueue, Finish
from queuack_store.testing.bench import Bench
from queuack_store.testing.bounds import small_bounds

SESSION = b"s" * 16
TOP, MIDDLE, BOTTOM = (bytes([n]) * 16 for n in (1, 2, 3))


def job(number: int, run_id: bytes, delay_s: float = 0.0) -> NewJob:
    return NewJob(bytes([number]) * 16, "t:f", b"", run_id=run_id, delay_s=delay_s)


def test_a_run_may_be_part_of_one_that_has_ended() -> None:
    with small_bounds():
        bench = Bench()
        ask = partial(bench.ask, SESSION)
        ask(OpenSession(SessionInfo(SESSION, pid=1)))
        ask(Enqueue([job(11, TOP, delay_s=1e6)], runs=[NewRun(TOP, "top")]))
        ask(Enqueue([job(12, MIDDLE)], runs=[NewRun(MIDDLE, "middle", parent_id=TOP)]))
        (held,) = ask(Claim([], run_id=TOP))
        ask(Finish([Outcome(held.id, held.claim)]))
        assert MIDDLE not in bench.core.state.runs
        ask(Enqueue([job(13, BOTTOM)], runs=[NewRun(BOTTOM, "bottom", parent_id=MIDDLE)]))
        (found,) = ask(Claim([], run_id=TOP))
        assert found.id == job(13, BOTTOM).id
        assert bench.core.state.runs[MIDDLE].status == "running"


def test_what_a_job_adds_may_be_part_of_a_run_that_has_ended() -> None:
    with small_bounds():
        bench = Bench()
        ask = partial(bench.ask, SESSION)
        ask(OpenSession(SessionInfo(SESSION, pid=1)))
        ask(Enqueue([job(11, TOP), job(14, TOP, delay_s=1e6)], runs=[NewRun(TOP, "top")]))
        (growing,) = ask(Claim([], run_id=TOP))
        ask(Enqueue([job(12, MIDDLE)], runs=[NewRun(MIDDLE, "middle", parent_id=TOP)]))
        (held,) = ask(Claim([], run_id=TOP))
        ask(Finish([Outcome(held.id, held.claim)]))
        assert MIDDLE not in bench.core.state.runs
        growth = Growth([job(13, BOTTOM)], [NewRun(BOTTOM, "bottom", parent_id=MIDDLE)])
        ask(Finish([Outcome(growing.id, growing.claim, growth=growth)]))
        (found,) = ask(Claim([], run_id=TOP))
        assert found.id == job(13, BOTTOM).id


def test_the_facts_of_a_run_do_not_stay_in_memory() -> None:
    bench = Bench()
    run = NewRun(TOP, "top", facts=b"facts")
    bench.ask(SESSION, OpenSession(SessionInfo(SESSION, pid=1)))
    bench.ask(SESSION, Enqueue([job(11, TOP)], runs=[run]))
    kept = bench.core.state.runs[TOP].spec
    assert (kept.name, kept.facts) == ("top", b"")
    assert [stored.spec for stored, _ in bench.rows.runs.values()] == [run]
