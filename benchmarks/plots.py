"""The page's pictures: SVG files, the same bytes for the same results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

from benchmarks.measuring import Row

plt.rcParams |= {
    "svg.hashsalt": "queuack",
    "svg.fonttype": "none",
    "figure.figsize": (7, 3.6),
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Draw what the rows have figures for; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    growth = [row for row in rows if row["table"] == "growth"]
    queue = [row for row in rows if row["table"] == "queue" and row["system"] == "queuack"]
    drawn = [
        _lines(
            growth, "pending", "ms per call", "jobs pending", _milliseconds, folder / "cost-by-backlog.svg"
        ),
        _lines(growth, "payload", "jobs/s", "bytes of payload", _rates, folder / "rate-by-payload.svg"),
        _lines(
            growth,
            "lifecycles",
            "MB",
            "lifecycles",
            lambda row: row["unit"] == "MB",
            folder / "size-by-lifecycles.svg",
        ),
        _drain(queue, folder / "drain-by-processes.svg"),
    ]
    return [path for path in drawn if path is not None]


def _milliseconds(row: Row) -> bool:
    return bool(row["unit"] == "ms")


def _rates(row: Row) -> bool:
    return bool(row["unit"] == "jobs/s")


def _lines(
    rows: Sequence[Row], by: str, y: str, x: str, chosen: Callable[[Row], bool], path: Path
) -> Path | None:
    """One line a measure, over a setting; both axes logarithmic unless it is lifecycles."""
    mine = [row for row in rows if by in row["settings"] and chosen(row)]
    if not mine:
        return None
    figure, axes = plt.subplots()
    for measure in dict.fromkeys(row["measure"] for row in mine):
        points = [(row["settings"][by], row["value"]) for row in mine if row["measure"] == measure]
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=measure)
    if by != "lifecycles":
        axes.set_xscale(
            "symlog" if by == "pending" else "log", **({"linthresh": 10_000} if by == "pending" else {})
        )
        axes.set_yscale("log")
    return _finish(figure, axes, x, y, path)


def _drain(rows: Sequence[Row], path: Path) -> Path | None:
    mine = [row for row in rows if row["measure"].startswith("drain, ") and "process" in row["measure"]]
    mine = [row for row in mine if "pending" in row["settings"]]  # without: our row of the run beside peers
    if len(mine) < 3:
        return None
    figure, axes = plt.subplots()
    for pending in dict.fromkeys(row["settings"]["pending"] for row in mine):
        points = [
            (int(row["measure"].split()[1]), row["value"])
            for row in mine
            if row["settings"]["pending"] == pending
        ]
        axes.plot(
            *zip(*sorted(points), strict=True), marker="o", markersize=3, label=f"{pending:,} more pending"
        )
    axes.set_ylim(bottom=0)
    return _finish(figure, axes, "worker processes", "jobs/s", path)


def _finish(figure: Any, axes: Any, x: str, y: str, path: Path) -> Path:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.legend(fontsize="small", frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path
