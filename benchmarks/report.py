"""Write docs/performance.md from the benchmarks' results: every target, reached or missed.

    python benchmarks/report.py [--results FOLDER] [--page PATH] [--no-plots] [--check]

It reads all `*.json` of the folder, in the form that the package's docstring describes; peers' rows in
them stand beside ours. What bounds a figure is told in `bounds.json`, by measure.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a script: this folder's queue.py would hide the standard library's
    sys.path.remove(str(Path(__file__).resolve().parent))
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import argparse
import json
from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks.measuring import ROOT, Row, number

HERE = Path(__file__).resolve().parent
OURS = "queuack"
HIGHER = {"jobs/s", "rows/s"}  # of these more is better, of everything else less


class Results:
    """All rows of a folder of result files, and the machines they were measured on."""

    def __init__(self, folder: Path) -> None:
        self.rows: list[Row] = []
        self.machines: dict[str, dict[str, Any]] = {}
        for path in sorted(folder.glob("*.json")):
            found = json.loads(path.read_text())
            self.rows += found["rows"]
            self.machines[path.stem] = found["machine"]

    def ours(self, table: str, measure: str, pending: int = 0) -> Row | None:
        """Return our row of a measure, or None where it was not measured."""
        rows = self.of(table, measure, pending)
        return next((row for row in rows if row["system"] == OURS), None)

    def of(self, table: str, measure: str, pending: int = 0) -> list[Row]:
        """Return the rows of all systems, the best first."""
        rows = [
            row
            for row in self.rows
            if (row["table"], row["measure"]) == (table, measure)
            and row["settings"].get("pending", 0) == pending
        ]
        return sorted(rows, key=lambda row: row["value"], reverse=bool(rows) and rows[0]["unit"] in HIGHER)


class Judged:
    """One target and what became of it. `value` is None where nothing was measured."""

    def __init__(self, target: dict[str, Any], results: Results) -> None:
        self.target = target
        self.measure: str = target["measure"]
        self.pending: int = target.get("pending", 0)
        self.row = results.ours(target["table"], self.measure, self.pending)
        self.now: float = target["now"]
        self.value: float | None = None if self.row is None else self.row["value"]
        if self.row is not None and target["unit"].endswith("than empty"):
            self.value = _slowdown(self.row, results.ours(target["table"], self.measure))
        if self.row is not None and "share_of_fdatasync" in target:
            self.now = min(self.now, target["share_of_fdatasync"] * self.row["settings"]["fdatasync"])
        self.peers = [
            r for r in results.of(target["table"], self.measure, self.pending) if r["system"] != OURS
        ]

    @property
    def verdict(self) -> str:
        """Return "reached", "missed" or "not measured"."""
        if self.value is None:
            return "not measured"
        return "reached" if _at_least(self.value, self.now, self.target["unit"]) else "missed"

    def faster(self) -> list[Row]:
        """Return the peers that are better than we are, the best first."""
        if self.row is None or self.pending:
            return []
        own, unit = self.row["value"], self.row["unit"]
        others = [peer for peer in self.peers if not peer.get("floor")]
        return [peer for peer in others if not _at_least(own, peer["value"], unit)]


def _slowdown(row: Row, empty: Row | None) -> float | None:
    if empty is None:
        return None
    ratio = float(row["value"] / empty["value"])
    return 1 / ratio if row["unit"] in HIGHER else ratio


def _at_least(value: float, bar: float, unit: str) -> bool:
    return value >= bar if unit in HIGHER else value <= bar


# --- the page


def page(results: Results, plots: Iterable[str] = ()) -> str:
    """Return the page's text; `plots` are paths of pictures, as the page refers to them."""
    wanted = json.loads((HERE / "targets.json").read_text())
    bounds: dict[str, str] = json.loads((HERE / "bounds.json").read_text())
    judged = [Judged(target, results) for target in wanted["targets"]]
    lines = ["# Performance", "", *_opening(results, judged)]
    for table, title in wanted["tables"].items():
        mine = [one for one in judged if one.target["table"] == table]
        lines += ["", f"## {title}", "", *_table(mine, bounds), *_beside(results, mine)]
        lines += _others(results, table, {one.measure for one in mine})
    lines += _growth(results, list(plots))
    lines += ["", "## Where it was measured", "", *_machines(results)]
    return "\n".join(lines) + "\n"


def _opening(results: Results, judged: list[Judged]) -> Iterator[str]:
    yield "Written by `benchmarks/report.py` from the results in `benchmarks/results/`; do not edit by hand."
    yield "`make bench` measures a quick version on your machine, `make bench-full` all that is here."
    yield "Where the time goes is told in [decisions](decisions/)."
    if any(facts.get("profile") == "quick" for facts in results.machines.values()):
        yield "These are the figures of a quick run: less of everything, and so less to rely on."
    slower = [(one, peer) for one in judged for peer in one.faster()]
    yield ""
    yield "## What is slower than a peer"
    yield ""
    if not any(one.peers for one in judged if one.target["table"] == "queue"):
        yield "No other queue has been measured yet."
    elif not slower:
        yield "Nothing of what was measured."
    for one, peer in slower:
        assert one.row is not None
        ratio = _slowdown(one.row, peer)
        kind = "" if peer["durable"] == one.row["durable"] else ", which waits for no disk"
        yield (
            f"* {one.measure}: {_figure(one.row)}, {peer['system']}{kind} {_figure(peer)}: "
            f"{ratio:.2f} times as fast."
        )
    missed = [one.measure for one in judged if one.verdict == "missed"]
    counted = {verdict: sum(one.verdict == verdict for one in judged) for verdict in ("reached", "missed")}
    yield ""
    yield f"Of {len(judged)} targets {counted['reached']} are reached and {counted['missed']} missed."
    if missed:
        yield f"Missed: {'; '.join(dict.fromkeys(missed))}."


def _table(judged: list[Judged], bounds: dict[str, str]) -> Iterator[str]:
    yield "| measure | figure | lowest – highest | target | | then | what bounds it |"
    yield "|---|---|---|---|---|---|---|"
    for one in judged:
        name = one.measure + (f", {one.pending:,} pending" if one.pending else "")
        unit = one.target["unit"]
        figure = "–" if one.value is None else f"**{number(one.value)}** {unit}"
        span = f"{number(one.row['low'])} – {number(one.row['high'])}" if one.row else "–"
        bound = "" if one.pending and unit.endswith("than empty") else bounds.get(one.measure, "")
        then = one.target["then"] if isinstance(one.target["then"], str) else number(one.target["then"])
        yield f"| {name} | {figure} | {span} | {number(one.now)} | {one.verdict} | {then} | {bound} |"


def _beside(results: Results, judged: list[Judged]) -> Iterator[str]:
    """All systems of each measure, where there are others than ours."""
    compared = [one for one in judged if one.peers]
    if not compared:
        return
    yield ""
    yield "### Beside others, in the same run"
    yield ""
    yield "Best first; *in italics* what answers before the disk has it, where ours does not."
    yield ""
    for one in {one.measure: one for one in compared}.values():
        rows = results.of(one.target["table"], one.measure, one.pending)
        yield f"* {one.measure}: {' · '.join(_system(row, one.row) for row in rows)}"


def _system(row: Row, ours: Row | None) -> str:
    text = f"{row['system']} {_figure(row)}"
    if row["system"] == OURS:
        return f"**{text}**"
    return f"*{text}*" if not row["durable"] and ours and ours["durable"] else text


def _others(results: Results, table: str, told: set[str]) -> Iterator[str]:
    """Our rows that have no target."""
    rows = [
        row for row in results.rows
        if row["table"] == table and row["system"] == OURS and row["measure"] not in told
    ]  # fmt: skip
    if not rows:
        return
    yield ""
    yield "### More figures, without a target"
    yield ""
    yield "| measure | figure | lowest – highest | settings |"
    yield "|---|---|---|---|"
    for row in rows:
        span = f"{number(row['low'])} – {number(row['high'])}"
        yield f"| {row['measure']} | {_figure(row)} | {span} | {_settings(row)} |"


def _growth(results: Results, plots: list[str]) -> Iterator[str]:
    rows = [row for row in results.rows if row["table"] == "growth"]
    if not rows:
        return
    yield from ("", "## How cost grows", "")
    for plot in plots:
        yield f"![{Path(plot).stem.replace('-', ' ')}]({plot})"
    kinds = dict.fromkeys(next(iter(row["settings"])) for row in rows)
    for kind in kinds:
        mine = [row for row in rows if next(iter(row["settings"])) == kind]
        columns = list(dict.fromkeys(row["settings"][kind] for row in mine))
        if len(columns) > 6:
            columns = columns[:: len(columns) // 4] + columns[-1:]
        columns = list(dict.fromkeys(columns))
        yield ""
        yield f"| by {kind} | unit | {' | '.join(f'{column:,}' for column in columns)} |"
        yield "|---|---|" + "---|" * len(columns)
        for measure in dict.fromkeys(row["measure"] for row in mine):
            values = {row["settings"][kind]: row for row in mine if row["measure"] == measure}
            cells = [number(values[column]["value"]) if column in values else "–" for column in columns]
            yield f"| {measure} | {next(iter(values.values()))['unit']} | {' | '.join(cells)} |"


def _machines(results: Results) -> Iterator[str]:
    for name, facts in results.machines.items():
        plain = {key: value for key, value in facts.items() if key != "versions"}
        versions = ", ".join(f"{library} {version}" for library, version in facts["versions"].items())
        yield f"* **{name}**: {' · '.join(f'{key} {value}' for key, value in plain.items())} · {versions}"
    yield ""
    yield "Every row's settings are in its JSON. Figures are medians of the runs after a warm-up."


def _figure(row: Row) -> str:
    return f"{number(row['value'])} {row['unit']}"


def _settings(row: Row) -> str:
    return " · ".join(f"{key} {value}" for key, value in row["settings"].items())


def main() -> None:
    """Write the page, its plots beside it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "performance.md")
    parser.add_argument("--no-plots", action="store_true", help="keep the pictures as they are")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page is another")
    asked = parser.parse_args()
    results = Results(asked.results)
    folder = asked.page.parent / "performance"
    if not (asked.no_plots or asked.check):
        from benchmarks import plots

        plots.draw(results.rows, folder)
    text = page(results, [f"performance/{path.name}" for path in sorted(folder.glob("*.svg"))])
    if not asked.check:
        asked.page.write_text(text, encoding="utf-8")
        print(text)
    elif asked.page.read_text(encoding="utf-8") != text:
        sys.exit(f"{asked.page} is not what the results say: run `make bench-page`")


if __name__ == "__main__":
    main()
