"""The commands about jobs: each against a real queue, its answer in words and as JSON."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_running import Cli
from queuack import DuckQueue, JobStatus
from queuack.cli.output import duration
from queuack.shell import run_command
from queuack_store.observed import LogLine, Progress, Reported
from queuack_store.requests import Claim, Report


def test_init_makes_the_file_once(cli: Cli, folder: Path) -> None:
    assert "is ready" in cli("init").out
    assert (folder / "duckqueue.db").exists()
    assert cli("init", "--json").json() == {"path": str(folder / "duckqueue.db"), "created": False}
    assert "was there already" in cli("init").out


def test_enqueue_stores_the_call_with_its_options(cli: Cli, queue: DuckQueue) -> None:
    first = cli("enqueue", "cli_tasks:add", "--args", "[2]", "--kwargs", '{"b": 3}').out.strip()
    second = cli(
        "enqueue", "cli_tasks:add", "-a", "[1]", "--priority", "80", "--queue", "high", "--delay", "2h",
        "--max-attempts", "7", "--timeout", "none", "--tag", "x", "--json",
    ).json()["id"]  # fmt: skip
    third = cli("enqueue", "cli_tasks:add", "-a", "[1]", "--after", first, "--mode", "any").out.strip()
    job = queue.claim()
    assert job is not None
    assert (job.id, job.execute()) == (first, 5)
    job = queue.get_job(second)
    assert job is not None
    assert (job.queue, job.priority, job.status, job.max_attempts) == ("high", 80, "delayed", 7)
    assert (job.timeout_seconds, job.tags) == (None, ("x",))
    job = queue.get_job(third)
    assert job is not None
    assert (job.status, job.dependency_mode) == ("waiting", "any")


def test_enqueue_under_json_ref_stores_no_pickle(cli: Cli, folder: Path) -> None:
    with DuckQueue("duckqueue.db", serialization="json_ref", allowed_modules=["cli_tasks"]) as queue:
        assert cli("enqueue", "cli_tasks:add", "-a", "[2]", "--serialization", "json_ref").code == 0
        job = queue.claim()
        assert job is not None
        assert job.execute() == 3


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["cli_tasks"], "module:func"),
        (["cli_tasks:"], "module:func"),
        (["no_such:thing"], "no_such"),
        (["cli_tasks:missing"], "missing"),
        (["cli_tasks:NUMBER"], "not a function"),
        (["cli_tasks:add", "--args", "[1"], "--args is no JSON"),
        (["cli_tasks:add", "--args", "5"], "must be a JSON array"),
        (["cli_tasks:add", "--kwargs", "[]"], "must be a JSON object"),
        (["cli_tasks:add", "--delay", "soon"], "no length of time"),
        (["cli_tasks:add", "--priority", "101"], "priority"),
        (["cli_tasks:add", "--after", "x"], "no job id"),
        (["cli_tasks:add", "--mode", "some"], "dependency_mode"),
        (["cli_tasks:add", "--queue", "a b"], "queue name"),
    ],
)
def test_what_can_not_be_enqueued_is_refused_by_name(
    cli: Cli, queue: DuckQueue, arguments: list[str], text: str
) -> None:
    answer = cli("enqueue", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("queuack: ")
    assert text in answer.err
    assert answer.err.count("\n") == 1
    assert queue.stats()["pending"] == 0


def test_a_command_in_a_folder_that_is_none_is_refused_at_once(cli: Cli, folder: Path) -> None:
    for wrong in ("missing", "cli_tasks.py"):
        answer = cli("add", "--folder", wrong, "--", "ls")
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith(f"queuack: --folder {folder / wrong} is no folder")
    assert not (folder / "duckqueue.db").exists()


def test_enqueue_can_wait_for_the_result(cli: Cli, queue: DuckQueue) -> None:
    queue.start_workers(1)
    assert cli("enqueue", "cli_tasks:add", "-a", "[2]", "--wait").out == "3\n"
    assert cli("enqueue", "cli_tasks:add", "-a", "[2]", "--wait", "--json").json()["result"] == 3
    answer = cli("enqueue", "cli_tasks:fail", "-a", '["so it goes"]', "--max-attempts", "1", "--wait")
    assert answer.code == 1
    assert "raise ValueError(text)" in answer.err
    assert answer.err.splitlines()[-1].endswith("failed: ValueError: so it goes")


def test_who_waits_at_a_terminal_is_told_that_nobody_works(
    cli: Cli, queue: DuckQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            queue.start_workers(1)  # who reads it does so
            return super().write(text)

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert cli("enqueue", "cli_tasks:add", "-a", "[2]", "--wait").out == "3\n"
    (line,) = terminal.getvalue().splitlines()
    assert line.startswith("no worker listens to queue 'default': start one, with `queuack worker`; job ")


def test_a_function_that_is_not_found_is_told_without_the_whole_of_sys_path(cli: Cli) -> None:
    for wrong in ("no_such:thing", "cli_tasks:missing"):
        answer = cli("enqueue", wrong)
        assert answer.code == 2
        assert answer.err.endswith("; this folder and what is installed were searched\n")
        assert "sys.path" not in answer.err


def test_short_times_are_told_in_milliseconds() -> None:
    told = [duration(seconds) for seconds in (0.0, 0.0021, 0.9994, 0.9996, 9.5, 61.0)]
    assert told == ["0 ms", "2 ms", "999 ms", "1.00 s", "9.50 s", "1 m 1 s"]


@pytest.fixture
def some(queue: DuckQueue) -> dict[str, str]:
    """A job in most states."""
    import time

    def job(*options: Any, **more: Any) -> str:
        return queue.enqueue(time.sleep, (0,), *options, **more)

    found = {"done": job(), "failed": job(max_attempts=1), "claimed": job()}
    for name in found:
        claimed = queue.claim(worker_id="me")
        assert claimed is not None
        if name == "done":
            queue.ack(claimed, result={"a": 1})
        elif name == "failed":
            queue.ack(claimed, error=RuntimeError("no route to host\nsecond line"))
    found |= {
        "pending": job(queue="other", tags=["nightly"]),
        "delayed": job(delay_seconds=3_600),
        "waiting": job(depends_on=found["claimed"]),
        "skipped": job(depends_on=found["failed"]),
    }
    found["cancelled"] = job()
    queue.cancel(found["cancelled"], "no need")
    return found


def test_jobs_can_be_found_by_state(cli: Cli, some: dict[str, str]) -> None:
    everything = cli("jobs", "--json").json()
    assert [job["id"] for job in everything] == sorted(some.values(), reverse=True)
    for state, job in some.items():
        assert [found["id"] for found in cli("jobs", "--state", state, "--json").json()] == [job]
    both = cli("jobs", "--state", "done", "--status", "failed", "--ids").out.split()
    assert set(both) == {some["done"], some["failed"]}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--queue", "other"], {"pending"}),
        (["--error", "NO ROUTE"], {"failed"}),
        (["--tag", "nightly"], {"pending"}),
        (["--task", "sleep", "--state", "delayed"], {"delayed"}),
        (["--task", "nothing like it"], set()),
        (["--older", "1h"], set()),
        (["--newer", "1h", "--state", "waiting"], {"waiting"}),
        (["--run", "0196a0d3-0000-7000-8000-000000000000"], set()),
    ],
)
def test_jobs_can_be_found_by_queue_error_tag_task_and_age(
    cli: Cli, some: dict[str, str], options: list[str], names: set[str]
) -> None:
    assert set(cli("jobs", "--ids", *options).out.split()) == {some[name] for name in names}


@pytest.mark.parametrize("age", ["soon", "-1", "", "1x", "99999999w", "9" * 400])
def test_a_length_of_time_that_is_none_is_refused(cli: Cli, queue: DuckQueue, age: str) -> None:
    for command in ("jobs --older", "jobs --newer", "purge --older"):
        answer = cli(*command.split(), age)
        assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1), command
        assert "time" in answer.err


def test_jobs_says_when_there_are_more(cli: Cli, some: dict[str, str]) -> None:
    answer = cli("jobs", "--limit", "3")
    assert len(answer.out.splitlines()) == 1 + 3 + 1
    assert "--limit" in answer.out.splitlines()[-1]
    assert cli("jobs", "--limit", "8").out.count("\n") == 9
    assert "no route to host" in cli("jobs").out
    assert "second line" not in cli("jobs").out


def test_show_tells_all_of_a_job(cli: Cli, some: dict[str, str]) -> None:
    failed = cli("show", some["failed"]).out
    for text in ("failed", "1 of 1", "no route to host", "RuntimeError", "skipped", some["skipped"]):
        assert text in failed
    found = cli("show", some["failed"], "--json").json()
    assert found["attempt_rows"][0]["outcome"] == "failed"
    assert "RuntimeError" in found["attempt_rows"][0]["traceback"]
    assert [child["id"] for child in found["children"]] == [some["skipped"]]
    assert [parent["id"] for parent in cli("show", some["skipped"], "--json").json()["parents"]] == [
        some["failed"]
    ]
    assert "{'a': 1}" in cli("show", some["done"]).out
    assert cli("show", some["done"], "--json").json()["result"] == {"a": 1}
    assert "no worker" in cli("show", some["pending"]).out


def test_show_tells_progress_and_logs(cli: Cli, queue: DuckQueue) -> None:
    job = queue.enqueue(print)
    (claimed,) = queue.store.call(Claim([("default", 50)]))
    said = Reported(claimed.id, claimed.claim, Progress(3, 4, "counting sheep"))
    said_too = Reported(claimed.id, claimed.claim, lines=[LogLine(1, 0.0, "warning", "one is black")])
    queue.store.call(Report([said, said_too]))
    page = cli("show", job).out
    for text in ("3 of 4 (75%): counting sheep", "warning", "one is black"):
        assert text in page
    found = cli("show", job, "--json").json()
    assert found["progress"]["done"] == 3
    assert [line["message"] for line in found["logs"]] == ["one is black"]


def test_show_never_unpickles_when_told_not_to(cli: Cli, some: dict[str, str]) -> None:
    found = cli("show", some["done"], "--serialization", "json_ref", "--json").json()
    assert "result" not in found
    assert "never unpickles" in found["result_error"]


def test_show_tells_the_command_of_a_job_that_has_not_run(cli: Cli, queue: DuckQueue, folder: Path) -> None:
    job = cli("add", "--", "echo", "a b").out.strip()
    assert "command   echo 'a b'\n" in cli("show", job).out
    found = cli("show", job, "--json").json()
    assert (found["command"], found["folder"]) == (["echo", "a b"], str(folder))
    assert "command" not in cli("show", job, "--serialization", "json_ref", "--json").json()
    named = cli("add", "--serialization", "json_ref", "ls | wc").out.strip()
    assert cli("show", named, "--serialization", "json_ref", "--json").json()["command"][-1] == "ls | wc"
    by_hand = queue.enqueue(run_command, (["ls"],))
    assert cli("show", by_hand).code == 0


def test_a_result_that_is_no_json_is_shown_as_text(cli: Cli, queue: DuckQueue) -> None:
    job = queue.enqueue(print)
    queue.claim()
    queue.ack(job, result=3 + 4j)
    assert cli("show", job, "--json").json()["result"] == "(3+4j)"


def test_why_says_what_keeps_a_job(cli: Cli, queue: DuckQueue, some: dict[str, str]) -> None:
    assert "no worker listens" in cli("why", some["pending"]).out
    assert "delayed" in cli("why", some["delayed"]).out
    waiting = cli("why", some["waiting"]).out
    assert some["claimed"] in waiting
    assert "me" in cli("why", some["claimed"]).out
    assert "no route to host" in cli("why", some["failed"]).out
    queue.pause("other")
    assert cli("why", some["pending"], "--json").json()["reason"] == "paused"


def test_what_is_not_there_ends_with_3(cli: Cli, queue: DuckQueue) -> None:
    nothing = "0196a0d3-0000-7000-8000-000000000000"
    for arguments in (["show"], ["why"], ["cancel"], ["retry"]):
        answer = cli(*arguments, nothing)
        assert (answer.code, answer.out) == (3, ""), arguments
        assert nothing in answer.err


def test_retry_cancel_and_purge(cli: Cli, queue: DuckQueue, some: dict[str, str]) -> None:
    assert "1 job came back" in cli("retry", some["failed"]).out
    assert queue.stats()["waiting"] == 2
    assert cli("cancel", some["failed"], some["done"], "-r", "enough").out == "1 cancelled, 1 had ended\n"
    job = queue.get_job(some["failed"])
    assert job is not None
    assert (job.status, job.skip_reason) == (JobStatus.CANCELLED, "enough")
    assert cli("purge").out == "0 done jobs deleted\n"
    assert cli("purge", "--older", "0", "--json").json() == {"purged": 1}
    assert cli("purge", "--older", "0", "--state", "pending").code == 2
    assert cli("retry", "--all", "--json").json() == {"retried": 0}
    for arguments in (["retry"], ["retry", "--all", some["failed"]], ["retry", some["failed"], "-q", "x"]):
        assert cli(*arguments).code == 2


def test_pause_and_resume(cli: Cli, queue: DuckQueue, some: dict[str, str]) -> None:
    cli("pause", "other")
    assert queue.claim("other") is None
    assert "other (paused)" in cli("stats").out
    assert cli("stats", "-q", "other", "--json").json()["other"]["paused"] == 1
    assert cli("resume", "other", "--json").json() == {"resumed": "other"}
    assert queue.claim("other") is not None


def test_stats_and_status_count_what_is_there(cli: Cli, queue: DuckQueue, some: dict[str, str]) -> None:
    counts = cli("stats", "--json").json()
    assert (counts["default"]["done"], counts["other"]["pending"]) == (1, 1)
    lines = cli("stats").out.splitlines()
    assert [line.split()[0] for line in lines] == ["QUEUE", "default", "other", "all"]
    assert lines[-1].split()[1:] == ["1", "1", "1", "1", "1", "1", "1", "1"]
    status = cli("status", "--json").json()
    assert {found["name"]: found["jobs"].get("done", 0) for found in status["queues"]} == {
        "default": 1,
        "other": 0,
    }
    assert status["file"] == queue.db_path
    (worker,) = status["workers"]
    assert [job["job_id"] for job in worker["processes"][0]["running"]] == [some["claimed"]]
    assert some["claimed"] in cli("status").out
    assert cli("stats", "-q", "none", "--json").json()["none"]["pending"] == 0


def test_top_looks_once_where_nobody_watches(cli: Cli, some: dict[str, str]) -> None:
    page = cli("top").out
    assert "ENDED/S" in page
    assert some["claimed"] in page
    lines = [json.loads(line) for line in cli("top", "--json", "-n", "2", "-i", "0.2").out.splitlines()]
    assert [line["ended_per_second"] is None for line in lines] == [True, False]
    assert lines[0]["workers"][0]["processes"][0]["running"][0]["job_id"] == some["claimed"]
