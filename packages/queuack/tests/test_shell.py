"""A command as a job: what is kept of it, and that nothing outlives a time-out, a cancellation or a kill."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from queuack import DuckQueue, JobCancelledError, JobFailedError, WorkerPool
from queuack.shell import MAX_KEPT, CommandFailedError, program_tag, run_command

WAIT_S = 60.0
# A parent and a child that stay; a fifo ends when nobody has it open any more.
STAY = "exec 9>life; sleep 600 & wait"


def test_output_and_exit_code_are_kept(tmp_path: Path) -> None:
    found = run_command(["sh", "-c", "pwd; echo bad >&2; printf '\\377'"], str(tmp_path))
    assert (found["exit_code"], found["stdout"], found["stderr"]) == (0, f"{tmp_path}\n\ufffd", "bad\n")
    assert found["command"][0] == "sh"


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (["sh", "-c", "echo one; echo two >&2; exit 7"], "exit code 7: two"),
        (["sh", "-c", "echo one; exit 7"], "exit code 7: one"),
        (["false"], "exit code 1"),
        (["sh", "-c", "kill -9 $$"], "killed by SIGKILL"),
        (["sh", "-c", "kill -9 0"], "killed by SIGKILL"),
        (["no-such-program"], "no-such-program"),
    ],
)
def test_a_command_that_fails_says_how(command: list[str], text: str) -> None:
    with pytest.raises(CommandFailedError, match=text) as caught:
        run_command(command)
    assert caught.value.__notes__[0].startswith("$ ")
    if "one" in command[-1]:
        assert "--- stdout ---\none" in caught.value.__notes__


def test_a_failed_job_says_command_and_output_and_nothing_of_this_package() -> None:
    with DuckQueue(":memory:", workers_num=1) as queue:
        job = queue.enqueue(run_command, (["sh", "-c", "echo one; echo two >&2; exit 7"],), max_attempts=1)
        with pytest.raises(JobFailedError, match="exit code 7: two") as caught:
            queue.wait(job, WAIT_S)
    assert caught.value.traceback.splitlines() == [
        "queuack.shell.CommandFailedError: exit code 7: two",
        "$ sh -c 'echo one; echo two >&2; exit 7'",
        "--- stdout ---",
        "one",
        "--- stderr ---",
        "two",
    ]


def test_of_much_output_a_failed_job_keeps_the_ends_of_both_streams() -> None:
    code = (
        "import sys; sys.stdout.write('a' + 'b' * 90000 + 'c'); sys.stderr.write('d' + 'e' * 90000 + 'f'); "
        "sys.exit(3)"
    )
    with DuckQueue(":memory:", workers_num=1) as queue:
        job = queue.enqueue(run_command, ([sys.executable, "-c", code],), max_attempts=1)
        with pytest.raises(JobFailedError, match="exit code 3") as caught:
            queue.wait(job, WAIT_S)
    told = caught.value.traceback
    assert told.startswith("queuack.shell.CommandFailedError: exit code 3: ")
    assert "--- stdout ---\nab" in told
    assert "bc\n--- stderr ---\nde" in told
    assert told.endswith("ef\n")
    assert told.count("characters left out") == 2


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*missing.*true"):
        run_command(["true"], str(tmp_path / "missing"))


def test_of_much_output_the_beginning_and_the_end_are_kept() -> None:
    code = f"import sys; sys.stdout.write('a' * {MAX_KEPT} + 'b' * {MAX_KEPT} + 'z')"
    text = run_command([sys.executable, "-c", code])["stdout"]
    assert text.startswith("a" * (MAX_KEPT // 2))
    assert text.endswith("b" * (MAX_KEPT // 2 - 1) + "z")
    assert "bytes left out" in text
    assert len(text) < MAX_KEPT * 1.2


def test_both_streams_may_be_full_at_once() -> None:
    code = "import sys\nfor _ in range(200): sys.stdout.write('a' * 5000); sys.stderr.write('b' * 5000)"
    found = run_command([sys.executable, "-c", code])
    assert (len(found["stdout"]), len(found["stderr"])) == (1_000_000, 1_000_000)


def test_what_it_leaves_running_does_not_hold_the_job(tmp_path: Path) -> None:
    _fifo(tmp_path)
    life = os.open(tmp_path / "life", os.O_RDONLY | os.O_NONBLOCK)
    found = run_command(["sh", "-c", "exec 9>life; sleep 600 & echo $!"], str(tmp_path))
    with pytest.raises(BlockingIOError):
        os.read(life, 1)  # somebody still has it open
    os.kill(int(found["stdout"]), signal.SIGKILL)
    _wait_for_end(life)


def test_what_it_leaves_writing_without_end_does_not_hold_the_job() -> None:
    assert run_command(["sh", "-c", "yes & exit 0"])["exit_code"] == 0


@pytest.mark.parametrize(
    ("command", "tag"),
    [
        (["/usr/bin/make", "-j"], "make"),
        (["gzip *.csv && ls"], "gzip"),
        (["a b/c d", "x"], "c_d"),
        ([""], "sh"),
    ],
)
def test_the_program_is_a_tag(command: list[str], tag: str) -> None:
    assert program_tag(command) == tag


@pytest.mark.parametrize("first", ["", "trap '' TERM; "], ids=["polite", "deaf"])
def test_a_time_out_ends_the_whole_group_and_keeps_what_it_said(tmp_path: Path, first: str) -> None:
    _fifo(tmp_path)
    life = os.open(tmp_path / "life", os.O_RDONLY | os.O_NONBLOCK)
    line = ["sh", "-c", f"{first}exec 9>life; echo before; sleep 600 & wait"]
    told = ""
    with DuckQueue(":memory:", workers_num=1) as queue:
        for timeout in (0.5, 2, 8, 32):  # a busy machine may need longer until it has said something
            job = queue.enqueue(run_command, (line, str(tmp_path)), max_attempts=1, timeout_seconds=timeout)
            with pytest.raises(JobFailedError, match="JobTimeoutError") as caught:
                queue.wait(job, WAIT_S + timeout)
            told = caught.value.traceback
            if "before" in told.splitlines():
                break
    assert "--- stdout ---\nbefore\n" in told
    _wait_for_end(life)


def test_a_cancellation_ends_the_whole_group(tmp_path: Path) -> None:
    _fifo(tmp_path)
    with DuckQueue(":memory:") as queue, WorkerPool(queue, 1):
        job = queue.enqueue(run_command, (["sh", "-c", STAY], str(tmp_path)))
        life = _wait_for_start(tmp_path)
        queue.cancel(job)
        with pytest.raises(JobCancelledError):
            queue.wait(job, WAIT_S)
        _wait_for_end(life)


def test_a_worker_that_is_killed_takes_its_command_along(tmp_path: Path) -> None:
    _fifo(tmp_path)
    code = "import sys; from queuack.shell import run_command; run_command(['sh', '-c', sys.argv[1]])"
    worker = subprocess.Popen([sys.executable, "-c", code, STAY], cwd=tmp_path)
    life = _wait_for_start(tmp_path)
    worker.kill()
    worker.wait(WAIT_S)
    _wait_for_end(life)


def _fifo(folder: Path) -> None:
    os.mkfifo(folder / "life")


def _wait_for_start(folder: Path) -> int:
    # Opening one end of a fifo waits for the other end, which the command opens.
    return os.open(folder / "life", os.O_RDONLY)


def _wait_for_end(life: int) -> None:
    poll = select.poll()
    poll.register(life, select.POLLHUP)
    assert poll.poll(WAIT_S * 1_000), "something of the command still runs"
    os.close(life)
