"""Contract: progress and logs of running jobs, the figures of a queue, and who holds what."""

from __future__ import annotations

import time
from typing import Any

import pytest

from queuack_store.errors import InvalidRequestError
from queuack_store.ids import to_raw
from queuack_store.observed import MAX_LINE_CHARS, MAX_LINES, LogLine, Progress, Reported
from queuack_store.requests import Claim, GetVitals, HoldBack, Report, Sessions
from queuack_store.testing.tasks import MakeQueue, boom, claimed, echo, finish

# What the rows say that the counters must say too, as long as nothing was purged or revived.
COUNTED = {
    "enqueued": "SELECT count(*) FROM jobs",
    "started": "SELECT (SELECT count(*) FROM job_attempts WHERE started_at IS NOT NULL) + "
    "(SELECT count(*) FROM jobs WHERE status = 'claimed' AND started_at IS NOT NULL)",
    "succeeded": "SELECT count(*) FROM job_attempts WHERE outcome = 'done'",
    "failed": "SELECT count(*) FROM job_attempts WHERE outcome IN ('failed', 'died', 'lost')",
    "returned": "SELECT count(*) FROM job_attempts WHERE outcome = 'returned'",
    "dead": "SELECT count(*) FROM jobs WHERE status = 'failed'",
    "cancelled": "SELECT count(*) FROM jobs WHERE status = 'cancelled'",
    "skipped": "SELECT count(*) FROM jobs WHERE status = 'skipped'",
    "retried": "SELECT count(*) FROM job_attempts a JOIN jobs j ON j.id = a.job_id "
    "WHERE outcome IN ('failed', 'died', 'lost') AND (j.status NOT IN ('failed', 'cancelled') OR EXISTS "
    "(FROM job_attempts later WHERE later.job_id = a.job_id AND later.claim > a.claim))",
}


def counted(queue: Any) -> dict[str, int]:
    """Return the queue's counters, all tasks together."""
    sums = dict.fromkeys(COUNTED, 0)
    for tally in queue.store.call(GetVitals()).tallies:
        for name, count in tally.counts.items():
            sums[name] += count
    return sums


def by_rows(queue: Any) -> dict[str, int]:
    """Return what the counters must say, counted from the rows."""
    return {name: queue.sql(query).fetchone()[0] for name, query in COUNTED.items()}


def _say(queue: Any, job_id: str, *, claim: int | None = None, **fields: Any) -> int:
    held = queue._held[to_raw(job_id)][0] if claim is None else claim
    return int(queue.store.call(Report([Reported(to_raw(job_id), held, **fields)])))


def _lines(first: int, *texts: str) -> list[LogLine]:
    return [LogLine(n, time.time(), "info", text) for n, text in enumerate(texts, first)]


class ObservingContract:
    """What one sees of a queue at work."""

    def test_progress_is_read_while_the_job_runs_and_stays_with_the_attempt(
        self, make_queue: MakeQueue
    ) -> None:
        queue = make_queue()
        job_id = queue.enqueue(boom, ("no",), retry_delay=0)
        assert queue.get_progress(job_id) is None
        job = claimed(queue, job_id)
        assert _say(queue, job_id, progress=Progress(1, 4, "first")) == 1
        assert _say(queue, job_id, progress=Progress(2, 4)) == 1
        seen = queue.get_progress(job_id)
        assert seen is not None
        assert (seen.done, seen.total, seen.message, seen.attempt, seen.fraction) == (2, 4, None, 1, 0.5)
        assert seen.updated_at.tzinfo is not None
        queue.ack(job, error="no")
        again = claimed(queue, job_id)
        assert queue.get_progress(job_id) == seen
        _say(queue, job_id, progress=Progress(9, None, "again"))
        seen = queue.get_progress(job_id)
        assert seen is not None
        assert (seen.done, seen.fraction, seen.attempt) == (9, None, 2)
        queue.ack(again)
        rows = queue.sql("SELECT attempt, done FROM job_progress ORDER BY claim").fetchall()
        assert rows == [(1, 2.0), (2, 9.0)]

    def test_lines_are_read_in_order_and_bounded(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo)
        assert queue.get_logs(job_id) == []
        job = claimed(queue, job_id)
        _say(queue, job_id, lines=_lines(1, "one", "two \N{SNOWMAN}"))
        _say(queue, job_id, lines=_lines(3, "x" * (2 * MAX_LINE_CHARS)))
        _say(queue, job_id, lines=_lines(MAX_LINES + 1, "more were dropped", "never kept"))
        found = queue.get_logs(job_id)
        assert [line.message for line in found[:2]] == ["one", "two \N{SNOWMAN}"]
        assert [line.line for line in found] == [1, 2, 3, MAX_LINES + 1]
        assert len(found[2].message) == MAX_LINE_CHARS
        assert {(line.level, line.attempt) for line in found} == {("info", 1)}
        assert [line.line for line in queue.get_logs(job_id, limit=1)] == [MAX_LINES + 1]
        queue.ack(job)
        assert queue.get_logs(job_id) == found
        assert queue.sql("SELECT count(*) FROM job_logs").fetchall() == [(4,)]
        with pytest.raises(InvalidRequestError):
            queue.get_logs(job_id, limit=0)

    def test_only_the_claim_that_runs_may_report(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo)
        first = claimed(queue, job_id)
        lost = queue._held[to_raw(job_id)][0]
        queue.nack(first)
        claimed(queue, job_id)
        assert _say(queue, job_id, claim=lost, progress=Progress(1)) == 0
        assert _say(queue, job_id, claim=lost, lines=_lines(1, "late")) == 0
        assert queue.get_progress(job_id) is None
        assert queue.get_logs(job_id) == []

    def test_a_purge_takes_them_along(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        for _ in range(2):
            job_id = queue.enqueue(echo)
            job = claimed(queue, job_id)
            _say(queue, job_id, progress=Progress(1), lines=_lines(1, "one"))
            queue.ack(job)
        kept = queue.enqueue(echo)
        claimed(queue, kept)
        _say(queue, kept, progress=Progress(1), lines=_lines(1, "kept"))
        before = counted(queue)
        assert queue.purge(older_than_hours=0) == 2
        for table in ("job_progress", "job_logs"):
            assert queue.sql(f"SELECT count(*) FROM {table}").fetchall() == [(1,)]
        assert counted(queue) == before  # what has happened has happened

    def test_the_counters_are_what_the_rows_say(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        assert counted(queue) == by_rows(queue)
        good, other = queue.enqueue(echo), queue.enqueue(echo, queue="mail")
        bad = queue.enqueue(boom, ("no",), max_attempts=2, retry_delay=0)
        behind = queue.enqueue(echo, depends_on=bad)
        gone = queue.enqueue(echo, delay_seconds=60)
        queue.nack(claimed(queue, good))
        finish(queue)
        for _ in range(2):
            queue.ack(claimed(queue, bad), error="no")
        queue.cancel(gone)
        assert queue.get_job(behind).status == "skipped"  # type: ignore[union-attr]
        claimed(queue, other, queue="mail")
        found = counted(queue)
        assert found == by_rows(queue)
        assert found == {
            "enqueued": 5, "started": 5, "succeeded": 1, "failed": 2, "returned": 1, "retried": 1, "dead": 1,
            "cancelled": 1, "skipped": 1,
        }  # fmt: skip
        tallies = {(t.queue, t.task): t for t in queue.store.call(GetVitals()).tallies}
        assert tallies["mail", f"{echo.__module__}:echo"].counts["started"] == 1
        failing = tallies["default", f"{boom.__module__}:boom"]
        assert (sum(failing.waits.counts), sum(failing.runs.counts)) == (2, 2)

    def test_vitals_tell_what_waits_and_for_how_long(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        parent = queue.enqueue(echo)
        queue.enqueue(echo, depends_on=parent)
        queue.enqueue(echo, queue="later", delay_seconds=60)
        queue.pause("held")
        (default, held, later) = queue.store.call(GetVitals()).queues
        assert (default.name, default.paused) == ("default", False)
        assert default.counts == {"pending": 1, "waiting": 1}
        assert 0 <= default.oldest_ready_s < 60
        assert (held.paused, held.oldest_ready_s) == (True, None)
        assert (later.counts, later.oldest_ready_s) == ({"delayed": 1}, None)
        before = time.time()
        finish(queue)
        (default, *_) = queue.store.call(GetVitals()).queues
        assert default.counts == {"done": 1, "pending": 1}
        assert default.oldest_ready_s <= time.time() - before + 1  # it waits since its parent ended

    def test_commits_are_measured(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        before = queue.store.call(GetVitals())
        queue.enqueue(echo)
        after = queue.store.call(GetVitals())
        assert sum(after.commits.counts) > sum(before.commits.counts)
        assert after.commits.total > before.commits.total
        assert after.batches.total > before.batches.total
        assert after.pid > 0

    def test_sessions_say_who_runs_what(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        ids = queue.enqueue_batch([(echo, (n,), None) for n in range(3)])
        request = Claim([("default", 1)], 3, 1, worker_id="host-1", whole=True)
        queue.store.call(request)
        (mine,) = [s for s in queue.store.call(Sessions()) if s.id == queue.store.session]
        assert (mine.worker, mine.claimed) == ("host-1", 3)
        (running,) = mine.running
        assert (running.id, running.task, running.queue) == (
            to_raw(ids[0]), f"{echo.__module__}:echo", "default",
        )  # fmt: skip
        assert running.attempt == 1
        assert running.for_s >= 0
        assert mine.pid > 0

    def test_why_knows_what_holds_the_workers_back(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job = queue.enqueue(echo)
        queue.store.call(HoldBack(["default"], "host-1", "load 9.00 per core, limit 1"))
        found = queue.why(job)
        assert found["reason"] == "resource_check"
        assert "load 9.00 per core, limit 1" in found["text"]
        assert [(held["worker"], held["reason"]) for held in found["held_back"]] == [
            ("host-1", "load 9.00 per core, limit 1")
        ]
        (mine,) = [s for s in queue.store.call(Sessions()) if s.id == queue.store.session]
        assert (mine.worker, mine.queues, mine.held_back) == (
            "host-1", ["default"], "load 9.00 per core, limit 1",
        )  # fmt: skip
        other = queue.enqueue(echo, queue="mail")
        assert queue.why(other)["reason"] == "no_worker"

    @pytest.mark.parametrize(
        "end", [HoldBack(["default"], "host-1", ""), Claim([("mail", 1)], 1)], ids=["said", "claims"]
    )
    def test_who_claims_again_is_not_held_back(self, make_queue: MakeQueue, end: HoldBack | Claim) -> None:
        queue = make_queue()
        job = queue.enqueue(echo)
        queue.store.call(HoldBack(["default"], "host-1", "disk has 1 MB free, limit 2 MB"))
        queue.store.call(end)
        found = queue.why(job)
        assert (found["reason"], found.get("held_back")) == ("queued", None)
