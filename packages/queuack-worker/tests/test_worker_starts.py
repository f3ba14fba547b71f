"""Children that can't start: a pool that has worked goes on trying, one that never could gives up."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import worker_jobs as jobs
from queuack_store import DuckQueue
from queuack_worker import WorkerStartError
from queuack_worker.starts import MAX_BACKOFF_S, MAX_FAILED_STARTS, Starts
from worker_commands import Command
from worker_pools import RunningPool

WAIT_S = 60.0
Start = Callable[..., RunningPool]


@pytest.mark.parametrize(
    ("python", "reason"),
    [("/nowhere/python", "No such file"), (shutil.which("false"), "exited with code 1")],
)
def test_a_pool_that_has_worked_goes_on_trying(
    shared: DuckQueue, pool_of: Start, monkeypatch: pytest.MonkeyPatch, python: str, reason: str
) -> None:
    """As while the environment is built anew beneath it."""
    pool = pool_of(1)
    first = shared.wait(shared.enqueue(jobs.pid), WAIT_S)
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", python)
        os.kill(first, signal.SIGKILL)
        failed = pool.wait_for("start_failed", MAX_FAILED_STARTS + 1)
    assert reason in failed[-1].facts["reason"]
    assert [event.facts["failed_starts"] for event in failed[:3]] == [1, 2, 3]
    assert failed[1].facts["again_in_seconds"] == 2 * failed[0].facts["again_in_seconds"]
    assert shared.wait(shared.enqueue(jobs.pid), WAIT_S) != first
    pool.stop()
    assert pool.error is None


@pytest.mark.parametrize("processes", [1, 2, 5])  # the last failures may come alone, or several at once
def test_a_pool_that_never_could_start_gives_up(
    shared: DuckQueue, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    pool = RunningPool(shared, processes)
    pool.join()
    assert isinstance(pool.error, WorkerStartError)
    assert pool.error.facts["failed_starts"] == MAX_FAILED_STARTS


def test_the_command_ends_with_1_where_no_child_can_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    # It ends without a word: half a line of its own would tear a line of the log beside it.
    (site / "sitecustomize.py").write_text(
        "import os, sys\nif 'queuack_worker.child' in sys.orig_argv:\n    os._exit(9)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(site))
    command = Command(tmp_path, "--processes", "2")
    assert command.end() == 1, command.text
    failed = command.wait_for("start_failed")
    assert len(failed) == MAX_FAILED_STARTS, command.text
    assert "exited with code 9" in failed[-1]["reason"]
    assert "none has worked" in command.text


def test_only_starts_that_fail_wait() -> None:
    starts = Starts()
    assert starts.failed(1) == 0.1
    starts.succeeded(1)
    assert starts.failed(1, shot=True) == 0.0
    assert starts.failed(1, shot=True) == 0.2  # again and again is no accident
    assert starts.failed(2) == 0.1
    waits = [starts.failed(1) for _ in range(2_000)]
    assert waits[:3] == [0.4, 0.8, 1.6]
    assert waits[-1] == MAX_BACKOFF_S
    starts.succeeded(1)
    assert starts.in_a_row == 0
