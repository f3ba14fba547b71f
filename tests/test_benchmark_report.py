"""The page of figures: written from results alone, with the slower first, and committed as it was written."""

from __future__ import annotations

import ast
import itertools
import json
import re
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


def table(page: str, head: str) -> list[str]:
    """Return the rows of the table that begins so."""
    lines = page.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(head)) + 2
    return list(itertools.takewhile(lambda line: line.startswith("|"), lines[first:]))


def line(page: str, start: str) -> str:
    return next(line for line in page.splitlines() if line.startswith(start))


def test_targets_are_reached_or_missed_and_none_is_left_out(written):
    page = written(queue=[row("drain, 2 processes", 29_999), row("enqueue to start, p50", 1.4, "ms")])
    assert "| missed |" in line(page, "| drain, 2 processes |")
    assert "| reached |" in line(page, "| enqueue to start, p50 |")
    for target in json.loads((ROOT / "benchmarks/targets.json").read_text())["targets"]:
        assert f"| {target['measure']}" in page


def test_what_is_missed_has_a_reason_or_says_that_it_has_none(written):
    full = {"settings": {"pending": 1_000_000}}
    batches = [row("batch of 10,000", 1_400), row("batch of 10,000", 1_000, **full)]
    page = written(queue=[row("drain, 2 processes", 29_999), *batches])
    bounds = json.loads((ROOT / "benchmarks/bounds.json").read_text())
    assert line(page, "| drain, 2 processes |").endswith(f"| {bounds['drain, 2 processes']} |")
    slower = "batch of 10,000, 1,000,000 pending"
    assert line(page, f"| {slower} |").endswith(f"| {bounds.get(slower, 'not looked into yet')} |")


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
    assert "* drain, 2 processes (5,000 jobs/s): fast 10,000 jobs/s: 2 times as fast" in first
    assert "slow 1,000" not in first
    assert "bare loop" not in first
    assert [line.split("|")[1].strip() for line in table(page, "| | drain")] == [
        "a bare loop", "fast", "**queuack**", "slow"
    ]  # fmt: skip
    assert "10,000 (0.5×)" in line(page, "| fast |")
    assert "1,000 (5×)" in line(page, "| slow |")


def test_the_run_beside_peers_alone_makes_a_page(tmp_path, written):
    found = {"machine": {"fdatasync_per_second": 500, "versions": {}}}
    found["rows"] = [row("enqueue, 1 producer", 150, settings={"how": "a file"})]
    (tmp_path / "peers.json").write_text(json.dumps(found))
    assert "| 200 | missed |" in line(written(), "| enqueue, 1 producer |")


def test_peers_are_compared_with_us_in_their_own_run(written):
    peer = row("drain, 2 processes", 2_000, system="peer")
    page = written(
        queue=[row("drain, 2 processes", 30_000)],
        peers=[row("drain, 2 processes", 1_000), peer],
    )
    assert "| reached |" in line(page, "| drain, 2 processes |")  # by our own, thorough run
    assert "drain, 2 processes (1,000 jobs/s): peer 2,000 jobs/s: 2 times as fast" in page


def test_what_answers_before_the_disk_has_it_is_marked(written):
    fast = row("drain, 2 processes", 10_000, system="fast", durable=False)
    page = written(queue=[row("drain, 2 processes", 5_000)], peers=[fast])
    assert "fast, which waits for no disk, 10,000 jobs/s" in page
    assert "*10,000* (0.5×)" in line(page, "| fast |")


def test_a_peer_without_a_figure_is_named_with_the_reason(tmp_path, written):
    written(queue=[row("drain, 2 processes", 5_000)])
    failures = [{"table": "queue", "system": "peer", "what": "drain", "why": "no end\nwithin 400 s"}]
    found = {"machine": {"versions": {}}, "rows": [], "failures": failures}
    (tmp_path / "peers.json").write_text(json.dumps(found))
    assert "No figure for peer, drain: no end within 400 s" in written()


def test_what_grows_has_a_reason_or_says_that_it_has_none(written):
    def grown(measure: str, *values: float) -> list[dict]:
        by = zip((100, 10_000, 1_000_000), values, strict=True)
        return [row(measure, value, "ms", settings={"payload": n}) | {"table": "growth"} for n, value in by]

    page = written(growth=[*grown("ack", 1, 1.1, 1.2), *grown("enqueue", 1, 2, 3), *grown("blink", 1, 2, 3)])
    bounds = json.loads((ROOT / "benchmarks/bounds.json").read_text())
    assert line(page, "| ack | ms | 1 | 1.1 | 1.2").endswith("| flat |")
    assert line(page, "| enqueue | ms |").endswith(f"| {bounds['enqueue by payload']} |")
    assert line(page, "| blink | ms |").endswith("| not looked into yet |")


def test_figures_of_a_quick_run_are_called_provisional(tmp_path, written):
    assert "Provisional" not in written(queue=[row("drain, 2 processes", 5_000)])
    found = {"machine": {"profile": "quick", "versions": {}}, "rows": []}
    (tmp_path / "dag.json").write_text(json.dumps(found))
    assert "Provisional" in written()


def test_the_readme_shows_ours_beside_others_and_keeps_its_text(tmp_path, written):
    front = tmp_path / "README.md"
    marks = "<!-- figures: written by make bench-page -->", "<!-- end of figures -->"
    front.write_text(f"before\n{marks[0]}\nold\n{marks[1]}\nafter\n")
    written(queue=[row("drain, 2 processes", 5_000)], peers=[row("drain, 2 processes", 1_000, system="slow")])
    command = ["--results", str(tmp_path), "--page", str(tmp_path / "page.md"), "--readme", str(front)]
    assert report(*command).returncode == 0
    text = front.read_text()
    assert text.startswith(f"before\n{marks[0]}\n| | drain, 2 processes, jobs/s |")
    assert "| slow | 1,000 (5×) |" in text
    assert text.endswith(f"{marks[1]}\nafter\n")
    assert "old" not in text
    assert report(*command, "--check").returncode == 0
    front.write_text(text.replace("(5×)", "(6×)"))
    assert "README.md is not what the results say" in report(*command, "--check").stderr


def test_engines_figures_bear_the_names_of_the_targets():
    shapes = (ROOT / "benchmarks/peers/dags/shapes.py").read_text()
    named = ast.parse(shapes)
    names = {
        node.value.value
        for node in named.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value != 10
    }
    targets = json.loads((ROOT / "benchmarks/targets.json").read_text())["targets"]
    assert names <= {target["measure"] for target in targets if target["table"] == "dag"}
    assert len(names) == 2


def test_a_backlog_is_judged_by_what_it_slows_down(written):
    full = {"settings": {"pending": 1_000_000}}
    page = written(queue=[row("batch of 10,000", 1_400), row("batch of 10,000", 1_000, **full)])
    assert "**1.4** × slower than empty" in line(page, "| batch of 10,000, 1,000,000 pending")
    assert "| missed |" in line(page, "| batch of 10,000, 1,000,000 pending")


@pytest.mark.skipif(not (ROOT / "docs/performance.md").exists(), reason="nothing was measured yet")
def test_the_committed_page_is_what_the_committed_results_say():
    checked = report("--check")
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("page", ["docs/footprint.md", "README.md"])
def test_the_sizes_that_the_pages_name_are_those_measured(page):
    found = json.loads((ROOT / "benchmarks/results/footprint.json").read_text())
    measured = {row["measure"]: round(row["value"]) for row in found["rows"]}
    sizes = {
        name.split(" ")[-1].strip("-"): n for name, n in measured.items() if name.startswith("installed")
    }
    memory = [n for name, n in measured.items() if name.startswith("running")]
    text = (ROOT / page).read_text()
    named = re.findall(r"^\| `?queuack-?(\w*)`?[^|]*\| (\d+) \|", text, re.MULTILINE)
    assert len(named) >= 4
    for package, size in named:
        (of,) = (n for name, n in sizes.items() if name.endswith(package or "six)"))
        assert (package, int(size)) == (package, of)
    told = re.findall(r"^\| (?:a|the|each) [^|]+\| (\d+) \|$", text, re.MULTILINE)
    told = told or re.findall(r"\d+", next(one for one in text.splitlines() if one.startswith("Running, ")))
    assert [int(size) for size in told] == memory
