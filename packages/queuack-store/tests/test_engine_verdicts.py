"""A verdict comes before or after the engine noticed the death: the same attempt, the same text."""

from __future__ import annotations

from typing import Any

from queuack_store.engine.inbox import CloseSession, OpenSession
from queuack_store.jobs import NewJob, Outcome, SessionInfo
from queuack_store.requests import Claim, Enqueue, Finish, GetJob, Request, Verdict
from queuack_store.retry import RetryPolicy
from queuack_store.testing.bench import NOBODY, Bench
from queuack_store.testing.bounds import small_bounds
from queuack_store.testing.deeds import DatedAsk

WATCHER, CHILD = b"w" * 16, b"c" * 16
JOB, TEXT = b"j" * 16, "the process died of SIGSEGV"


class Story:
    """A watcher and a child on one engine."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.seq = 0
        for number, session in enumerate((WATCHER, CHILD), 1):
            self.ask(session, OpenSession(SessionInfo(session, pid=number)))

    def ask(self, session: bytes, request: Any) -> Any:
        """Ask one thing in a cycle of its own; return the reply."""
        self.seq += 1
        ask = DatedAsk(session, request, NOBODY, self.seq, self.seq)
        replies = [(a, value) for a, value in self.bench.cycle([ask]) if a is ask]
        replies += [(a, value) for a, value in self.bench.settle() if a is ask]
        return replies[0][1] if replies else None

    def begin(self, max_attempts: int = 1, delay_s: float = 0.0) -> int:
        """Store a job and let the child start it; return the claim's number."""
        self.ask(
            WATCHER, Enqueue([NewJob(JOB, "t:f", b"", max_attempts=max_attempts, retry=RetryPolicy(delay_s))])
        )
        return self.claim(CHILD)

    def claim(self, session: bytes) -> int:
        (job,) = self.ask(session, Claim([("default", 1)]))
        return int(job.claim)

    def dies(self) -> None:
        self.ask(CHILD, CloseSession(CHILD, orderly=False))

    def texts(self) -> tuple[str | None, list[tuple[str, str | None, int | None]]]:
        """Return the job's error and its attempts' outcome, text and peak memory."""
        job, rows = self.ask(WATCHER, GetJob(JOB)), self.bench.rows.attempts.get(JOB, [])
        return job.error, [(row.outcome, row.error, row.peak_rss) for row in rows]


def verdict(claim: int) -> Request:
    return Verdict([(JOB, claim)], TEXT, 9)


def test_before_the_release_it_ends_the_attempt() -> None:
    with small_bounds():
        story = Story()
        claim = story.begin()
        story.ask(WATCHER, verdict(claim))
        story.dies()
        assert story.texts() == (TEXT, [("died", TEXT, 9)])
        assert story.ask(WATCHER, GetJob(JOB)).status == "failed"


def test_after_the_release_it_fills_in_the_text() -> None:
    with small_bounds():
        story = Story()
        claim = story.begin()
        story.dies()
        assert "went away" in (story.texts()[0] or "")
        story.ask(WATCHER, verdict(claim))
        assert story.texts() == (TEXT, [("died", TEXT, 9)])
        story.ask(WATCHER, Verdict([(JOB, claim)], "something else"))
        assert story.texts() == (TEXT, [("died", TEXT, 9)])
        story.bench.restart()
        story.ask(WATCHER, OpenSession(SessionInfo(WATCHER, pid=1)))
        assert story.texts() == (TEXT, [("died", TEXT, 9)])


def test_a_job_that_runs_again_keeps_its_own_fate() -> None:
    with small_bounds():
        story = Story()
        first = story.begin(max_attempts=2)
        story.dies()
        second = story.claim(WATCHER)
        story.ask(WATCHER, verdict(first))
        job = story.ask(WATCHER, GetJob(JOB))
        assert (job.status, job.attempts) == ("claimed", 2)
        assert story.texts()[1] == [("died", TEXT, 9)]
        story.ask(WATCHER, verdict(second))
        assert story.ask(WATCHER, GetJob(JOB)).status == "failed"
        assert [row[0] for row in story.texts()[1]] == ["died", "died"]


def test_what_the_worker_said_itself_stays() -> None:
    with small_bounds():
        story = Story()
        claim = story.begin(max_attempts=2, delay_s=60.0)
        story.ask(CHILD, Finish([Outcome(JOB, claim, "failed", error="ValueError: mine")]))
        story.dies()
        story.ask(WATCHER, verdict(claim))
        assert story.texts() == ("ValueError: mine", [("failed", "ValueError: mine", None)])


def test_a_cycle_that_is_taken_back_can_be_judged_again() -> None:
    with small_bounds():
        story = Story()
        claim = story.begin()
        story.dies()
        story.seq += 1
        story.bench.fail([DatedAsk(WATCHER, verdict(claim), NOBODY, story.seq, story.seq)])
        story.ask(WATCHER, verdict(claim))
        assert story.texts() == (TEXT, [("died", TEXT, 9)])


def test_a_verdict_on_a_whole_session_gives_the_rest_of_it_back_unspent() -> None:
    """Also what counts as started, because it was handed to an idle thread; and it is handed nothing more."""
    with small_bounds():
        story = Story()
        claim = story.begin(max_attempts=1)
        other, next_one = b"o" * 16, b"n" * 16
        spec = NewJob(other, "t:f", b"", max_attempts=1)
        story.ask(WATCHER, Enqueue([spec]))
        (beside,) = story.ask(CHILD, Claim([("default", 1)]))
        assert (beside.id, beside.started) == (other, True)
        waiting = DatedAsk(CHILD, Claim([("default", 1)], wait_s=60.0), NOBODY)
        story.bench.cycle([waiting])
        story.ask(WATCHER, Verdict([(JOB, claim)], TEXT, 9, whole=True))
        job, spared = story.ask(WATCHER, GetJob(JOB)), story.ask(WATCHER, GetJob(other))
        assert (job.status, job.error, job.attempts) == ("failed", TEXT, 1)
        assert (spared.status, spared.error, spared.attempts) == ("pending", None, 0)
        story.ask(WATCHER, Enqueue([NewJob(next_one, "t:f", b"")]))
        assert story.ask(WATCHER, GetJob(next_one)).status == "pending"
        story.dies()
        assert story.ask(WATCHER, GetJob(other)).attempts == 0
