"""Fixtures of the command line's tests: a folder to stand in, its queue, and the command in this process."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from queuack import DuckQueue

sys.path.insert(0, str(Path(__file__).parent))  # for the tests' own modules

from cli_running import Answer, Cli

TASKS = """
def add(a, b=1):
    return a + b

def fail(text):
    raise ValueError(text)

NUMBER = 5
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a module, in which the command runs; no setting of the machine's reaches it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QUEUACK_DB", raising=False)
    monkeypatch.delenv("QUEUACK_SERIALIZATION", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "cli_tasks.py").write_text(TASKS)
    yield tmp_path
    sys.modules.pop("cli_tasks", None)


@pytest.fixture
def cli(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run the command in this process: `cli("jobs", "--json")`."""
    from queuack.cli.main import main

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["queuack", *arguments])
        capsys.readouterr()
        code = 0
        handlers = list(logging.getLogger("queuack").handlers)
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            logging.getLogger("queuack").handlers[:] = handlers
        return Answer(code, *capsys.readouterr())

    return run


@pytest.fixture
def queue(folder: Path) -> Iterator[DuckQueue]:
    """The queue the command finds, kept open."""
    with DuckQueue("duckqueue.db", poll_timeout=0.05) as queue:
        yield queue
