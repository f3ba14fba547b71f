"""The command as a process: how it starts, ends, is interrupted, and what a broken pipe or a worker does."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_running import COMMAND, Cli, start
from queuack import DuckQueue, JobFailedError, JobStatus
from queuack_store.requests import Claim

WAIT_S = 60.0
HEAVY = {
    "duckdb",
    "pyarrow",
    "networkx",
    "queuack_dag.dag",
    "queuack_worker.supervisor",
    "asyncio",
    "rich.live",
}


def test_help_loads_nothing_heavy(folder: Path) -> None:
    code = "import sys; from queuack.cli.app import app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_every_command_has_help_that_says_what_it_does(cli: Cli) -> None:
    from queuack.cli.app import app
    from queuack.cli.dags import app as dags

    names = [[str(command.name)] for command in app.registered_commands]
    names += [["dag", str(command.name or command.callback.__name__)] for command in dags.registered_commands]  # type: ignore[union-attr]
    assert ["jobs"] in names
    for name in names:
        answer = cli(*name, "--help")
        assert answer.code == 0, name
        assert "Usage: queuack" in answer.out
        if name != ["worker"]:
            assert "--json" in answer.out, name
            assert "QUEUACK_DB" in answer.out, name


def test_versions_and_completion(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("--version").out.startswith("queuack ")
    assert "_QUEUACK_COMPLETE" in _completion_script_in_bash()
    monkeypatch.setenv("_QUEUACK_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "queuack pa")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert cli().out.split() == ["pause"]


def _completion_script_in_bash() -> str:
    """Ask for it from a bash: the command looks which shell it was called from."""
    line = f"{shlex.join(COMMAND)} --show-completion; true"  # bash stays, it does not become the command
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    return done.stdout


def test_a_queue_that_is_not_there_is_not_made(cli: Cli, folder: Path) -> None:
    for arguments in (["jobs"], ["stats"], ["sql", "SELECT 1"], ["pause"], ["dag", "list"], ["top"]):
        answer = cli(*arguments)
        assert (answer.code, answer.out) == (3, ""), arguments
        assert str(folder / "duckqueue.db") in answer.err
    assert list(folder.glob("duckqueue*")) == []


def test_the_file_comes_from_the_option_or_the_environment(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("init", "--db", "a.db").code == 0
    monkeypatch.setenv("QUEUACK_DB", str(folder / "a.db"))
    assert cli("stats").code == 0
    assert cli("stats", "--db", "b.db").code == 3
    assert not (folder / "duckqueue.db").exists()


def test_a_file_that_is_no_queue_ends_with_1_and_one_line(cli: Cli, folder: Path) -> None:
    (folder / "duckqueue.db").write_bytes(b"no database" * 1_000)
    answer = cli("jobs")
    assert (answer.code, answer.out, answer.err.count("\n")) == (1, "", 1)


def test_a_full_queue_ends_with_75(cli: Cli, queue: DuckQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DuckQueue, "backpressure_block_threshold", classmethod(lambda cls: 1))
    assert cli("add", "true").code == 0
    answer = cli("add", "true")
    assert (answer.code, answer.out) == (75, "")


def test_a_warning_is_one_line(cli: Cli, queue: DuckQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DuckQueue, "backpressure_warning_threshold", classmethod(lambda cls: 1))
    answers = [cli("add", "true") for _ in range(3)]
    assert [answer.code for answer in answers] == [0, 0, 0]
    said = "".join(answer.err for answer in answers)
    assert said.startswith("queuack: warning: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_a_reader_that_goes_away_ends_it_quietly(folder: Path, queue: DuckQueue, form: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    command = start("sql", "SELECT i FROM range(900) r(i)", *form, stdout=write)
    os.close(write)
    _, errors = command.communicate(timeout=WAIT_S)
    assert (command.returncode, errors) == (141, "")


def test_a_narrow_terminal_has_room_for_ids_and_rates(folder: Path, queue: DuckQueue) -> None:
    job = queue.enqueue(print)
    queue.claim()
    assert job in _in_terminal("jobs")
    screen = _in_terminal("top", "-i", "0.2", "-n", "2")
    for text in (job, "ENDED/S", "PENDING", "Ctrl-C ends"):
        assert text in screen, text


def _in_terminal(*arguments: str) -> str:
    """Run the command in a terminal of 80 columns; return what it showed."""
    ours, theirs = os.openpty()
    settings = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    command = start(*arguments, stdout=theirs, env=settings)
    os.close(theirs)
    screen = b""
    try:
        while data := os.read(ours, 4_096):
            screen += data
    except OSError:  # how Linux says that the other end has gone
        pass
    os.close(ours)
    _, errors = command.communicate(timeout=WAIT_S)
    assert (command.returncode, errors) == (0, "")
    return screen.decode()


def test_ctrl_c_ends_it_quietly(folder: Path, queue: DuckQueue) -> None:
    command = start("add", "--wait", "true")
    # A claim that waits is answered when the job is stored; then the command waits for its end.
    assert queue.store.call(Claim([("default", 50)], wait_s=WAIT_S))
    command.send_signal(signal.SIGINT)
    output, errors = command.communicate(timeout=WAIT_S)
    assert (command.returncode, output, errors) == (130, "", "")
    assert queue.stats()["claimed"] == 1


def test_worker_hands_over(folder: Path, queue: DuckQueue, cli: Cli) -> None:
    answer = cli("worker", "--help")
    assert "--processes" in answer.out
    assert cli("worker", "--queues", "high:many").code == 2
    assert cli("worker", "status", "--json").json()["workers"] == []
    worker = start("worker", "--db", "duckqueue.db", "-p", "1", "--json")
    try:
        job = cli("add", "--", "sh", "-c", "echo out; echo err >&2").out.strip()
        result = queue.wait(job, WAIT_S)
        assert (result["exit_code"], result["stdout"], result["stderr"]) == (0, "out\n", "err\n")
        shown = cli("show", job).out
        for text in ("exit code", "sh -c 'echo out; echo err >&2'", "\nout\n", "\nerr\n"):
            assert text in shown
        assert "$ sh …" in cli("jobs").out
        answer = cli("add", "--wait", "--", "sh", "-c", "echo out; exit 3")
        assert answer.code == 1
        assert "exit code 3: out" in answer.err.splitlines()[-1]
        assert "Traceback" not in answer.err
        (failed,) = cli("jobs", "--state", "failed", "--ids").out.split()
        assert "--- stdout ---" in cli("show", failed).out
        assert cli("add", "--wait", "echo $((40 + 2))").out == "42\n"
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=WAIT_S)
    assert worker.returncode == 0


def test_a_command_runs_where_it_was_added(folder: Path, queue: DuckQueue, cli: Cli) -> None:
    (folder / "sub").mkdir()
    queue.start_workers(1)
    assert cli("add", "--wait", "pwd").out.strip() == str(folder)
    assert cli("add", "--wait", "-C", "sub", "pwd").out.strip() == str(folder / "sub")
    (folder / "gone").mkdir()
    queue.pause()
    job = cli("add", "-C", "gone", "pwd").out.strip()
    (folder / "gone").rmdir()
    queue.resume()
    with pytest.raises(JobFailedError, match="there is no folder"):
        queue.wait(job, WAIT_S)


def test_an_added_command_runs_once_unless_told(cli: Cli, queue: DuckQueue) -> None:
    for options, most in ([], 1), (["--max-attempts", "4"], 4):
        job = queue.get_job(cli("add", *options, "--", "true").out.strip())
        assert job is not None
        assert (job.status, job.max_attempts, job.timeout_seconds) == (JobStatus.PENDING, most, None)
