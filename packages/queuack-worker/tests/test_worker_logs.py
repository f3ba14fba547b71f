"""Every line that a job logs is JSON off a terminal and names its job: in threads and coroutines too."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import observed_jobs as jobs
import pytest
import structlog
from queuack_store import DuckQueue
from queuack_worker import JobFilter, WorkerPool, bind_job
from queuack_worker.whole import WholeLines
from worker_commands import Command

HERE = Path(__file__).parent
PATIENCE_S = 60.0
FACTS = ("job_id", "task", "queue", "attempt", "dag_run_id")


def run_command(db, *options):
    """Run `queuack-worker` until its queue is empty; return its lines."""
    command = [
        sys.executable,
        "-m",
        "queuack_worker.cli",
        str(db),
        "--app",
        str(HERE),
        "--no-metrics",
        *options,
    ]
    with (
        open(f"{db}.err", "w+b") as errors,
        subprocess.Popen(command, stderr=errors, stdin=subprocess.DEVNULL) as process,
        DuckQueue(db) as queue,
    ):
        try:
            for (job,) in queue.sql("SELECT id::VARCHAR FROM jobs"):
                queue.wait(job, timeout=PATIENCE_S)
        finally:
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
        errors.seek(0)
        return [json.loads(line) for line in errors.read().decode().splitlines()]


@pytest.mark.parametrize("options", [("-p", "2", "-c", "3"), ("-p", "1")])
def test_lines_are_json_and_name_their_job(tmp_path, options):
    count = 6 if "-c" in options else 1
    meet = tmp_path / "meet"
    meet.mkdir()
    with DuckQueue(tmp_path / "q.db") as queue:
        tagged = {}
        for n in range(count):
            job = queue.enqueue(jobs.log_everywhere, args=(f"tag-{n}", str(meet), count))
            tagged[f"tag-{n}"] = (job, "log_everywhere")
        for n in range(10):
            tagged[f"async-{n}"] = (queue.enqueue(jobs.log_async, args=(f"async-{n}",)), "log_async")
        lines = run_command(queue.db_path, *options)
    told: dict[str, list[str]] = {}
    for line in lines:
        tag = line.get("tag")
        if tag is None:
            assert "job_id" not in line, "a line of the worker's own belongs to no job"
            continue
        job, name = tagged[tag]
        assert {fact: line[fact] for fact in FACTS} == {
            "job_id": job, "task": f"observed_jobs:{name}", "queue": "default", "attempt": 1,
            "dag_run_id": None,
        }  # fmt: skip
        assert line["level"] in ("info", "warning")
        assert line["timestamp"]
        told.setdefault(tag, []).append(line["from"])
    for tag in tagged:
        sources = ["coroutine"] * 10 + ["to_thread"]
        if tag.startswith("tag"):
            sources = ["runner"] * 20 + ["thread"] * 10 + ["structlog"] * 2
        assert told[tag] == sources, tag
    events = [line["event"] for line in lines if line.get("from") == "structlog"]
    assert sorted(events) == ["100% of %s"] * count + ["structured"] * count


def test_an_exception_that_a_job_logs_is_one_line(tmp_path):
    with DuckQueue(tmp_path / "q.db") as queue:
        job = queue.enqueue(jobs.log_error)
        lines = run_command(queue.db_path, "-p", "1")
    (line,) = [line for line in lines if line["event"] == "it went wrong"]
    assert (line["job_id"], line["level"], line["logger"]) == (job, "error", "app")
    assert "KeyError: 'missing'" in line["exception"]


def test_long_lines_of_many_processes_come_whole_through_one_pipe(tmp_path):
    meet = tmp_path / "meet"
    meet.mkdir()
    tags = "abcd"
    with DuckQueue(tmp_path / "q.db") as queue:
        done = [
            queue.enqueue(jobs.log_at_length, args=(tag, str(meet), len(tags)), queue="q") for tag in tags
        ]
        worker = Command(
            tmp_path, "q.db", "--app", str(HERE), "--no-metrics", "--queues", "q", "-p", str(len(tags))
        )
        try:
            for job in done:
                queue.wait(job, timeout=PATIENCE_S)
        finally:
            worker.process.terminate()
            assert worker.end() == 0
    whole = [(line["tag"], line["n"], len(line["event"])) for line in worker.lines if "tag" in line]
    assert sorted(whole) == [(tag, n, 20_000 + 4_000 * n if n % 5 else 10) for tag in tags for n in range(20)]
    for tag in tags:
        assert [n for told, n, _ in whole if told == tag] == list(range(20))


def test_a_process_stopped_in_the_middle_of_a_line_keeps_the_supervisor_from_nothing():
    reading, writing = os.pipe()
    hold = "fcntl.lockf(1, fcntl.LOCK_EX); print('held', file=sys.stderr); sys.stdin.read()"
    with (
        os.fdopen(reading) as lines,
        os.fdopen(writing, "w") as stream,
        subprocess.Popen(
            [sys.executable, "-c", f"import fcntl, sys; {hold}"],
            stdin=subprocess.PIPE, stdout=stream, stderr=subprocess.PIPE, text=True,
        ) as holder,
    ):  # fmt: skip
        assert holder.stderr.readline() == "held\n"
        handler = WholeLines(stream, waits=False)
        handler.emit(logging.makeLogRecord({"msg": "it goes on"}))
        assert lines.readline() == "it goes on\n"
        holder.stdin.close()
        assert holder.wait(PATIENCE_S) == 0


def test_the_lines_of_log_are_kept_and_logged(tmp_path):
    with DuckQueue(tmp_path / "q.db") as queue:
        job = queue.enqueue(jobs.say, args=("a line",))
        lines = run_command(queue.db_path, "-p", "1")
        assert [line.message for line in queue.get_logs(job)] == ["a line"]
    (line,) = [line for line in lines if line["event"] == "a line"]
    assert (line["job_id"], line["logger"]) == (job, "queuack.job")


def test_the_name_of_the_run_is_bound(memory):
    pytest.importorskip("queuack_dag")
    seen = []

    class Seen(logging.Handler):
        def emit(self, record):
            seen.append(record.dag_run_id)

    handler = Seen()
    handler.addFilter(JobFilter())
    log = logging.getLogger("app")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        with memory.dag("etl") as dag:
            dag.add_node(jobs.log_error, name="node")
        with WorkerPool(memory, 1):
            assert dag.wait_for_completion(timeout=PATIENCE_S)
    finally:
        log.removeHandler(handler)
    assert seen == [dag.dag_run_id]


def test_a_program_of_ones_own_binds_them_by_filter_and_by_processor(memory):
    """Workers in threads leave the program's logging as it is; it names the job where it wants to."""
    record = logging.LogRecord("app", 20, "f.py", 1, "text", None, None)
    assert JobFilter().filter(record)
    assert (record.job_id, record.attempt) == (None, None)
    assert bind_job(None, "info", {"event": "x"}) == {"event": "x"}
    rendered: list[dict] = []
    before = structlog.get_config()
    structlog.configure(processors=[bind_job, structlog.testing.LogCapture()])
    structlog.configure(processors=[bind_job, lambda _l, _m, event: rendered.append(event) or str(event)])
    try:
        job = memory.enqueue(jobs_that_use_structlog)
        with WorkerPool(memory, 1):
            memory.wait(job, timeout=PATIENCE_S)
    finally:
        structlog.configure(**before)
    assert [(event["event"], event["job_id"], event["queue"]) for event in rendered] == [
        ("hello", job, "default")
    ]


def jobs_that_use_structlog():
    structlog.get_logger().info("hello")


@pytest.mark.parametrize(("form", "is_json"), [("console", False), ("json", True)])
def test_all_processes_write_the_form_that_was_asked_for_and_one_form_of_time(tmp_path, form, is_json):
    with DuckQueue(tmp_path / "q.db") as queue:
        job = queue.enqueue(jobs.say, args=("a line",))
        worker = Command(
            tmp_path, "q.db", "--app", str(HERE), "--no-metrics", "-p", "1", "--log-format", form
        )
        queue.wait(job, timeout=PATIENCE_S)
        worker.process.terminate()
        assert worker.end() == 0
    lines = worker.text.splitlines()
    assert any("child_ready" in line for line in lines)  # the supervisor's
    assert any("a line" in line for line in lines)  # the child's
    for line in lines:
        assert line.startswith("{") == is_json
        stamp = json.loads(line)["timestamp"] if is_json else line.split()[0]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", stamp), line


def test_on_a_terminal_lines_are_text(tmp_path):
    pty = pytest.importorskip("pty")
    with DuckQueue(tmp_path / "q.db") as queue:
        job = queue.enqueue(jobs.say, args=("a line",))
        leader, follower = pty.openpty()
        command = [
            sys.executable,
            "-m",
            "queuack_worker.cli",
            queue.db_path,
            "--app",
            str(HERE),
            "--no-metrics",
        ]
        with subprocess.Popen([*command, "-p", "1"], stderr=follower, stdin=subprocess.DEVNULL) as process:
            os.close(follower)
            queue.wait(job, timeout=PATIENCE_S)
            process.terminate()
            said = b""
            while True:
                try:
                    said += os.read(leader, 65_536)
                except OSError:  # how a terminal says that nobody writes any more
                    break
        os.close(leader)
    (line,) = [line for line in said.decode().splitlines() if "a line" in line]
    assert f"job_id={job}" in line
    assert not line.startswith("{")
