"""What the result files hold, and what became of each target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.measuring import Failure, Row

OURS = "queuack"
BESIDE = "peers"  # the file of the run that has us and others side by side
HIGHER = {"jobs/s", "rows/s"}  # of these more is better, of everything else less


class Results:
    """All rows of a folder of result files, and the machines they were measured on."""

    def __init__(self, folder: Path) -> None:
        self.rows: list[Row] = []
        self.machines: dict[str, dict[str, Any]] = {}
        self.failures: list[Failure] = []
        self._beside: list[Row] = []
        for path in sorted(folder.glob("*.json"), key=lambda path: (path.stem == BESIDE, path.stem)):
            found = json.loads(path.read_text())
            self.rows += found["rows"]
            self.failures += found.get("failures", [])
            self.machines[path.stem] = found["machine"]
            if path.stem == BESIDE:
                self._beside = found["rows"]

    @property
    def quick(self) -> bool:
        """Whether any of it comes from a quick run."""
        return any(facts.get("profile") == "quick" for facts in self.machines.values())

    def ours(self, table: str, measure: str, pending: int = 0) -> Row | None:
        """Return our row of a measure, that of our own run before that beside peers; None: not measured."""
        rows = _matching(self.rows, table, measure, pending)
        return next((row for row in rows if row["system"] == OURS), None)

    def beside(self, table: str, measure: str) -> list[Row]:
        """Return one row of each system, the best first; ours of the same run where it has one."""
        rows: dict[str, Row] = {}
        for row in _matching([*self._beside, *self.rows], table, measure, 0):
            rows.setdefault(row["system"], row)
        better_first = bool(rows) and next(iter(rows.values()))["unit"] in HIGHER
        return sorted(rows.values(), key=lambda row: row["value"], reverse=better_first)

    def compared(self, table: str) -> list[str]:
        """Return the measures of a table that somebody else than we has a figure for."""
        names = dict.fromkeys(row["measure"] for row in self.rows if row["table"] == table)
        return [name for name in names if _has_both(self.beside(table, name))]


def _matching(rows: list[Row], table: str, measure: str, pending: int) -> list[Row]:
    return [
        row
        for row in rows
        if (row["table"], row["measure"]) == (table, measure) and row["settings"].get("pending", 0) == pending
    ]


def _has_both(rows: list[Row]) -> bool:
    systems = {row["system"] for row in rows}
    return OURS in systems and len(systems) > 1


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
            empty = results.ours(target["table"], self.measure)
            self.value = times_as_good(empty, self.row) if empty else None
        if self.row is not None and "share_of_fdatasync" in target:
            # Beside peers the disk is measured once, for the whole run.
            whole = results.machines.get(BESIDE, {}).get("fdatasync_per_second", float("inf"))
            rate = self.row["settings"].get("fdatasync", whole)
            self.now = min(self.now, target["share_of_fdatasync"] * rate)

    @property
    def verdict(self) -> str:
        """Return "reached", "missed" or "not measured"."""
        if self.value is None:
            return "not measured"
        return "reached" if at_least(self.value, self.now, self.target["unit"]) else "missed"


def faster_peers(results: Results, table: str, measure: str) -> tuple[Row | None, list[Row]]:
    """Return our row of the same run, and those of the peers that are better, the best first."""
    rows = results.beside(table, measure)
    ours = next((row for row in rows if row["system"] == OURS), None)
    if ours is None:
        return None, []
    others = [row for row in rows if row["system"] != OURS and not row.get("floor")]
    return ours, [row for row in others if not at_least(ours["value"], row["value"], ours["unit"])]


def times_as_good(row: Row, other: Row) -> float:
    """Return how many times `row` is as good as `other`: as fast, or as small."""
    more, less = (row, other) if row["unit"] in HIGHER else (other, row)
    return float(more["value"] / less["value"]) if less["value"] else float("inf")


def at_least(value: float, bar: float, unit: str) -> bool:
    """Say whether a figure is as good as the bar."""
    return value >= bar if unit in HIGHER else value <= bar
