"""For all tests: where QUEUACK_NO_SKIPS is set (CI), one that misses its system program or package fails."""

from __future__ import annotations

import os
import re
from collections.abc import Generator

import pytest

pytest.register_assert_rewrite("queuack_store.testing")

_PROGRAMS = re.compile("chromium|prometheus|tmpfs|mount|dependency group", re.IGNORECASE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    missing = report.skipped and _PROGRAMS.search(str(report.longrepr))
    if missing and os.environ.get("QUEUACK_NO_SKIPS"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may skip: {report.longrepr}"
    return report
