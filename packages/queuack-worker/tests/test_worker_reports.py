"""Progress and lines of running jobs are read from any process; files go with their job; use is measured."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from pathlib import Path

import observed_jobs as jobs
import pytest
from queuack_store import DuckQueue
from queuack_store.errors import InvalidRequestError
from queuack_store.observed import MAX_LINE_CHARS, MAX_LINES
from queuack_worker import WorkerPool, get_context
from queuack_worker.reports import Reports

PATIENCE_S = 60.0


def test_progress_and_lines_are_read_while_the_job_runs_and_afterwards(shared, pool_of, signals, tmp_path):
    until = tmp_path / "go"
    job = shared.enqueue(jobs.report_and_hold, args=(signals.address, str(until)))
    pool_of(1)
    signals.wait()
    with DuckQueue(shared.db_path) as other:  # any process, any handle
        seen = wait_until(lambda: found(other.get_progress(job), lambda p: p.done == 199))
        assert (seen.total, seen.message, seen.fraction, seen.attempt) == (200, "step 199", 199 / 200, 1)
        (line,) = wait_until(lambda: other.get_logs(job))
        assert (line.message, line.level) == ("halfway", "warning")
        assert other.get_job(job).status == "claimed"
        until.touch()
        assert other.wait(job, timeout=PATIENCE_S) == job
        # What was said last comes before the outcome: nothing to wait for.
        assert other.get_progress(job).message == "done"
        assert [line.message for line in other.get_logs(job)] == ["halfway", "the end"]
        rows = other.sql(
            "SELECT p.done, a.outcome FROM job_progress p JOIN job_attempts a USING (job_id, claim)"
        )
        assert rows.fetchall() == [(200.0, "done")]


def found(value, good):
    return value if value is not None and good(value) else None


def wait_until(look):
    """Return what `look` returns, once it is something: a report comes half a second later at most."""
    again = threading.Event()
    for _ in range(int(PATIENCE_S / 0.05)):
        value = look()
        if value:
            return value
        again.wait(0.05)
    raise AssertionError("it never came")


def test_an_attempt_keeps_so_many_lines_and_says_that_there_were_more(memory):
    short, long = memory.enqueue(jobs.talk, args=(3_000,)), memory.enqueue(jobs.talk, args=(500, 1_000))
    huge = memory.enqueue(jobs.talk, args=(1, 10_000))
    with WorkerPool(memory, 1):
        for job in (short, long, huge):
            memory.wait(job, timeout=PATIENCE_S)
    lines = memory.get_logs(short, limit=2_000)
    assert [line.line for line in lines] == list(range(1, MAX_LINES + 2))
    assert lines[-2].message.startswith("00999")
    assert "dropped" in lines[-1].message
    lines = memory.get_logs(long, limit=2_000)
    assert sum(len(line.message) for line in lines) < 300 << 10
    assert "dropped" in lines[-1].message
    assert [len(line.message) for line in memory.get_logs(huge)] == [MAX_LINE_CHARS]


def test_many_short_jobs_that_report_share_requests(memory):
    batch = [(jobs.say, (f"text {n}",), None) for n in range(300)]
    ids = memory.enqueue_batch(batch)
    with WorkerPool(memory, 2, 2):
        for job in ids:
            memory.wait(job, timeout=PATIENCE_S)
    for n, job in enumerate(ids):
        assert [line.message for line in memory.get_logs(job)] == [f"text {n}"]
        assert memory.get_progress(job).message == f"text {n}"


def test_reports_are_sent_seldom_and_ahead_of_outcomes():
    sent = []

    class Store:
        def submit(self, request):
            sent.append(request)
            return Future()

    reports = Reports(Store())

    class Job:
        claim, id = 7, bytes(16)

    for n in range(1_000):
        reports.progress(Job, n)
    assert sent == []  # a job's own thread sends nothing
    reports.send()
    reports.send()
    assert [(e.claim, e.progress) for request in sent for e in request.entries] == [(7, 999)]


def test_bad_reports_are_refused(memory):
    def bad(context):
        caught = 0
        for call in (
            lambda: context.progress("x"), lambda: context.progress(float("nan")),
            lambda: context.progress(True), lambda: context.progress(1, object()),
            lambda: context.log("x", "loud"),
        ):  # fmt: skip
            with pytest.raises(InvalidRequestError):
                call()
            caught += 1
        return caught

    job = memory.enqueue(bad)
    with WorkerPool(memory, 1):
        assert memory.wait(job, timeout=PATIENCE_S) == 5
    assert get_context() is None


def test_a_jobs_folder_lies_beside_the_file_and_goes_with_the_job(shared, pool_of):
    job = shared.enqueue(jobs.leave_file)
    pool_of(1)
    path = shared.wait(job, timeout=PATIENCE_S)
    assert path == f"{os.path.realpath(shared.db_path)}.outputs/{job}/rows.txt"
    assert Path(path).read_text() == "left"
    assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700
    assert shared.purge(older_than_hours=0) == 1
    shared.get_job(job)
    assert wait_until(lambda: not os.path.exists(path))


def test_a_queue_in_memory_gives_a_temporary_folder(memory):
    job = memory.enqueue(jobs.leave_file)
    with WorkerPool(memory, 1):
        path = memory.wait(job, timeout=PATIENCE_S)
    assert Path(path).read_text() == "left"


def test_each_attempt_has_the_peak_and_the_processor_time_of_its_own_run(shared, pool_of):
    """One runner: what an earlier job took is not held against the next one, and threads count too."""
    large, burning, small = (
        shared.enqueue(jobs.eat, args=(200,)),
        shared.enqueue(jobs.burn_in_threads, args=(0.1,)),
        shared.enqueue(jobs.eat, args=(1,)),
    )
    pool_of(1)
    rows = {}
    for job in (large, burning, small):
        shared.wait(job, timeout=PATIENCE_S)
        (rows[job],) = shared.attempts(job)
    assert rows[large]["peak_rss_bytes"] > 200 << 20
    assert rows[small]["peak_rss_bytes"] < rows[large]["peak_rss_bytes"] - (150 << 20)
    assert rows[burning]["cpu_seconds"] >= 0.2
    assert rows[small]["cpu_seconds"] < 0.2
