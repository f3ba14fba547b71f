"""The README as a reader would type it: every snippet runs as it stands and prints what it says."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from queuack import DuckQueue

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
QUICK_START = README.split("## Two commands")[0]
WAIT_S = 120.0


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[str]:
    return [line[2:] for block in blocks(text, "console") for line in block.splitlines() if line[:2] == "$ "]


SCRIPTS = [block for block in blocks(README, "python") if not block.startswith("# ")]
# The first names of what each part of the quick start shows.
PARTS = ["resize", "extract", "measure", "fetch", "fit"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the reader stands: the modules that the README writes, and nothing else."""
    for block in blocks(README, "python"):
        name = re.match(r"# (\w+\.py)\n", block)
        if name:
            (tmp_path / name[1]).write_text(block)
    assert (tmp_path / "tasks.py").exists()
    return tmp_path


@pytest.fixture
def environment() -> dict[str, str]:
    """The reader's: the command is on the path, no setting is made."""
    found = {key: value for key, value in os.environ.items() if not key.startswith("QUEUACK_")}
    return found | {"PATH": sysconfig.get_path("scripts") + os.pathsep + found["PATH"]}


@pytest.fixture
def worker(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """The worker that the README starts."""
    (line,) = [line for line in commands(QUICK_START) if line.startswith("queuack worker")]
    process = subprocess.Popen(shlex.split(line), cwd=folder, env=environment)
    yield
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_S) == 0


def test_every_part_of_the_quick_start_is_there() -> None:
    assert len(SCRIPTS) == len(PARTS)
    for script, name in zip(SCRIPTS, PARTS, strict=True):
        assert name in script


@pytest.mark.usefixtures("worker")
def test_the_first_snippet_waits_for_the_worker(folder: Path, environment: dict[str, str]) -> None:
    run_snippet(SCRIPTS[0], folder, environment)


@pytest.mark.parametrize("script", SCRIPTS[1:], ids=PARTS[1:])
def test_a_snippet_runs_its_jobs_itself(folder: Path, environment: dict[str, str], script: str) -> None:
    run_snippet(script, folder, environment)


def run_snippet(script: str, folder: Path, environment: dict[str, str]) -> None:
    """Run it and compare what it prints with its comments."""
    (folder / "snippet.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "-W", "error", "snippet.py"],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    promised = re.findall(r"print\(.*\)  # (.*)$", script, re.MULTILINE)
    assert promised
    assert done.stdout.splitlines() == promised


@pytest.mark.usefixtures("worker")
def test_the_shell_commands_work(folder: Path, environment: dict[str, str]) -> None:
    lines = [line for line in commands(QUICK_START) if not line.startswith("queuack worker")]
    assert any("queuack add" in line for line in lines)
    done = subprocess.run(
        ["sh", "-e", "-c", "\n".join([*lines, "queuack sql --csv \"SELECT id FROM jobs\""])],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    job = done.stdout.splitlines()[-1]
    with DuckQueue(folder / "jobs.duckdb") as queue:
        assert queue.wait(job, WAIT_S)["exit_code"] == 0
    assert (folder / "backup.tgz").exists()
