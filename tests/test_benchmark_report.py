"""The page of figures: written from results alone, with the slower first, and committed as it was written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def report(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.report", "--no-plots", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def row(measure: str, value: float, unit: str = "jobs/s", **more) -> dict:
    facts = {"system": "queuack", "durable": True, "settings": {"pending": 0, "fdatasync": 4000}} | more
    return {
        "table": "queue",
        "measure": measure,
        "value": value,
        "unit": unit,
        "low": value,
        "high": value,
    } | facts


@pytest.fixture
def written(tmp_path):
    """Return a function that writes result files and gives back the page made of them."""

    def write(**files: list[dict]) -> str:
        for name, rows in files.items():
            machine = {"cores": 2, "versions": {"queuack-store": "0.1.0"}}
            (tmp_path / f"{name}.json").write_text(json.dumps({"machine": machine, "rows": rows}))
        page = tmp_path / "page.md"
        made = report("--results", str(tmp_path), "--page", str(page))
        assert made.returncode == 0, made.stderr
        return page.read_text()

    return write


def line(page: str, start: str) -> str:
    return next(line for line in page.splitlines() if line.startswith(start))


def test_targets_are_reached_or_missed_and_none_is_left_out(written):
    page = written(queue=[row("drain, 2 processes", 29_999), row("enqueue to start, p50", 1.4, "ms")])
    assert "| missed |" in line(page, "| drain, 2 processes |")
    assert "| reached |" in line(page, "| enqueue to start, p50 |")
    for target in json.loads((ROOT / "benchmarks/targets.json").read_text())["targets"]:
        assert f"| {target['measure']}" in page


def test_a_slow_disk_lowers_the_bar_of_the_one_producer(written):
    slow = {"settings": {"pending": 0, "fdatasync": 1000}}
    assert "| 400 | reached |" in line(
        written(queue=[row("enqueue, 1 producer", 450, **slow)]), "| enqueue, 1 "
    )
    assert "| 1,600 | missed |" in line(written(queue=[row("enqueue, 1 producer", 450)]), "| enqueue, 1 ")


def test_what_is_slower_than_a_peer_comes_first(written):
    page = written(
        queue=[row("drain, 2 processes", 5_000)],
        peers=[
            row("drain, 2 processes", 10_000, system="fast"),
            row("drain, 2 processes", 1_000, system="slow"),
            row("drain, 2 processes", 99_000, system="a bare loop", floor=True),
        ],
    )
    first = page[: page.index("## Queue")]
    assert "fast 10,000 jobs/s: 2.00 times as fast" in first
    assert "slow 1,000" not in first
    assert "bare loop" not in first
    assert page.index("fast 10,000") < page.index("slow 1,000")


def test_a_backlog_is_judged_by_what_it_slows_down(written):
    full = {"settings": {"pending": 1_000_000}}
    page = written(queue=[row("batch of 10,000", 1_400), row("batch of 10,000", 1_000, **full)])
    assert "**1.4** × slower than empty" in line(page, "| batch of 10,000, 1,000,000 pending")
    assert "| missed |" in line(page, "| batch of 10,000, 1,000,000 pending")


@pytest.mark.skipif(not (ROOT / "docs/performance.md").exists(), reason="nothing was measured yet")
def test_the_committed_page_is_what_the_committed_results_say():
    checked = report("--check")
    assert checked.returncode == 0, checked.stderr
