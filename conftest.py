"""For all tests: where QUEUACK_NO_SKIPS is set (CI), one that misses its system program or package fails."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("queuack_store.testing")

# A shell's `make test &` has it ignored, and what the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_PROGRAMS = re.compile("chromium|prometheus|tmpfs|mount|dependency group", re.IGNORECASE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    missing = report.skipped and _PROGRAMS.search(str(report.longrepr))
    if missing and os.environ.get("QUEUACK_NO_SKIPS"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may skip: {report.longrepr}"
    return report


_figures: dict[str, dict[str, Any]] = {}


@pytest.fixture
def figures() -> Callable[..., None]:
    """Notes figures under the name of a promise: `figures("name", lost=0, kills=100)`."""
    began = time.monotonic()

    def note(promise: str, **counted: Any) -> None:
        _figures[promise] = {**counted, "seconds": round(time.monotonic() - began)}

    return note


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not _figures:
        return
    terminalreporter.section("what was counted")
    for promise, counted in _figures.items():
        terminalreporter.write_line(f"{promise}: " + ", ".join(f"{v:,} {k}" for k, v in counted.items()))


def pytest_sessionfinish() -> None:
    kept = os.environ.get("QUEUACK_FIGURES")
    if kept and _figures:
        path = Path(kept)
        known = json.loads(path.read_text()) if path.exists() else {}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known | _figures, indent=1) + "\n")
