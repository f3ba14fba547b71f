"""Retention: what ended long enough ago is purged by the owner, in steps, by the rule in the file."""

from __future__ import annotations

from datetime import timedelta

import pytest
from queuack_store import DuckQueue
from queuack_store.engine import retaining
from queuack_store.engine.inbox import Ask, OpenSession
from queuack_store.jobs import NewJob, Outcome, SessionInfo
from queuack_store.opening import open_store
from queuack_store.requests import Claim, Enqueue, Finish, Retain, Retention
from queuack_store.testing.bench import NOBODY, Bench
from queuack_store.testing.clock import ManualClock
from queuack_store.testing.tasks import echo

DAY = 86_400.0
ME = bytes(15) + b"\1"


class Life(Bench):
    """A bench with one session that enqueues and finishes jobs."""

    def __init__(self) -> None:
        super().__init__()
        self.seq = 0
        self.ask(OpenSession(SessionInfo(ME)))

    def ask(self, request):
        self.seq += 1
        ask = Ask(ME, request, NOBODY, self.seq, self.seq)
        replies = self.cycle([ask]) + self.settle()
        return next(value for asked, value in replies if asked is ask)

    def add(self, number, parents=()):
        job = NewJob(number.to_bytes(16, "big"), "m:f", b"", "default", parents=tuple(parents))
        self.ask(Enqueue([job]))
        return job.id

    def end(self, count, kind="done"):
        claims = self.ask(Claim([("default", 0)], count, count, whole=True))
        outcomes = [Outcome(job.id, job.claim, kind, error="no", final=True) for job in claims]
        self.ask(Finish(outcomes))
        self.disturbed = True  # a purge by the rule is announced to nobody

    def pass_time(self, seconds):
        """Let the engine sleep until it wants to wake, again and again, for so long."""
        until = self.now + seconds
        while True:
            decision, exact = self._decide(self._gather(())[0])
            self._accept(decision, exact)
            wake = decision.wake_at
            if not self.at_rest:
                self.settle()
            elif wake is None or wake > until:
                break
            else:
                self.now = max(wake, self.now)
        self.now = until
        self.cycle()
        self.settle()


def test_a_job_goes_when_it_is_old_enough_and_not_before():
    life = Life()
    life.ask(Retain({"done": 7 * DAY}))
    first = life.add(1)
    life.end(1)
    life.pass_time(3 * DAY)
    second = life.add(2)
    life.end(1)
    failed = life.add(3)
    life.end(1, "failed")
    life.pass_time(4 * DAY - 1)
    assert life.rows.jobs.keys() == {first, second, failed}
    life.pass_time(62)
    assert life.rows.jobs.keys() == {second, failed}
    life.pass_time(3 * DAY)
    assert life.rows.jobs.keys() == {failed}  # kept for ever: the rule does not name it
    assert life.ask(Retention()) == {"done": 7 * DAY}


def test_an_idle_queue_is_not_woken():
    life = Life()
    life.ask(Retain({"done": DAY, "failed": 2 * DAY}))
    life.pass_time(100 * DAY)
    cycles = life.cycles
    life.pass_time(1_000 * DAY)
    assert life.cycles - cycles < 10


def test_many_go_in_steps(monkeypatch):
    monkeypatch.setattr(retaining, "STEP_JOBS", 10)
    life = Life()
    for number in range(1, 36):
        life.add(number)
    life.end(35)
    life.ask(Retain({"done": 60.0}))
    assert len(life.rows.jobs) == 35
    life.pass_time(62)
    assert not life.rows.jobs
    assert life.follower.purged == 35


def test_a_parent_stays_until_its_children_have_ended():
    life = Life()
    life.ask(Retain({"done": 60.0}))
    parent = life.add(1)
    child = life.add(2, [parent])
    life.end(1)
    life.pass_time(DAY)
    assert life.rows.jobs.keys() == {parent, child}
    life.end(1)
    life.pass_time(3_700)
    assert not life.rows.jobs


def test_the_rule_survives_the_owner_and_can_be_taken_back():
    life = Life()
    life.ask(Retain({"done": DAY, "failed": 2 * DAY}))
    life.add(1)
    life.end(1)
    life.restart()
    life.ask(OpenSession(SessionInfo(ME)))
    life.pass_time(DAY + 61)
    assert not life.rows.jobs
    kept = life.add(2)
    life.end(1)
    life.ask(Retain({"failed": DAY}))
    life.pass_time(50 * DAY)
    assert life.rows.jobs.keys() == {kept}
    life.ask(Retain({}))
    assert life.ask(Retention()) == {}


def test_a_record_that_could_not_be_stored_changes_no_rule():
    life = Life()
    life.ask(Retain({"done": DAY}))
    life.cycle([Ask(ME, Retain({"done": 1.0}), NOBODY, 99, 99)], full=True)
    life.settle()
    assert life.core.state.retained == {"done": DAY}


def test_an_owner_purges_by_itself(tmp_path):
    clock = ManualClock()
    store = open_store(str(tmp_path / "jobs.db"), "inline", clock=clock)
    with DuckQueue(tmp_path / "jobs.db", retain={"done": "7d"}) as queue:
        old = queue.enqueue(echo)
        queue.ack(queue.claim())
        young = queue.enqueue(echo, delay_seconds=900 * DAY)
        clock.advance(7 * DAY - 1)
        assert queue.get_job(old) is not None
        for _ in range(1_000):
            clock.advance(60)
            queue.sql("SELECT count(*) FROM jobs")  # any request: the engine reads the clock again
            if queue.get_job(old) is None:
                break
        assert queue.get_job(old) is None
        assert queue.attempts(old) == []
        assert queue.get_job(young) is not None
        assert queue.stats()["done"] == 0
    store.close()
    with DuckQueue(tmp_path / "jobs.db", owner="inline") as queue:
        assert queue.retention() == {"done": timedelta(days=7)}


@pytest.mark.parametrize(
    "retain", [{"pending": "7d"}, {"done": 0}, {"done": "soon"}, {"done": -1}, "7d", {"x": 1}]
)
def test_a_rule_that_makes_no_sense_is_refused(retain):
    with pytest.raises(ValueError, match=r"retain|purged"):
        DuckQueue(":memory:", retain=retain)
