"""What all benchmarks share: the machine's facts, what processes cost, and rows on paper and in JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Failure = dict[str, str]  # table, system, what, why

ROOT = Path(__file__).resolve().parents[1]


def fdatasync_rate(folder: str | Path) -> float:
    """Return how often a second the disk of `folder` makes 512 bytes durable."""
    path, count = Path(folder) / "sync", 500
    sync = getattr(os, "fdatasync", os.fsync)
    with open(path, "wb", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(count):
            file.write(bytes(512))
            sync(file.fileno())
        rate = count / (time.perf_counter() - began)
    path.unlink()
    return rate


def machine(folder: str | Path, libraries: Iterable[str]) -> dict[str, Any]:
    """Return the facts without which a figure means nothing; `folder` is on the disk that is measured."""
    return {
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "fdatasync_per_second": round(fdatasync_rate(folder)),
        "versions": {name: _version(name) for name in libraries},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median of some runs as `value`, with the lowest and the highest."""
    return {"value": statistics.median(values), "low": min(values), "high": max(values), "runs": len(values)}


def row(table: str, measure: str, values: Sequence[float], unit: str, **more: Any) -> Row:
    """Return one row; `more` may name system, durable, settings, floor, cpu_us."""
    facts = {"system": "queuack", "durable": True, "settings": {}} | more
    return {"table": table, "measure": measure, "unit": unit, **spread(values), **facts}


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def wait_until(reached: Callable[[], bool], what: str, timeout_s: float = 300.0) -> None:
    """Look again every 10 ms until something is so; a benchmark that waits for ever says nothing."""
    deadline = time.monotonic() + timeout_s
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {timeout_s:g} s")
        time.sleep(0.01)


# --- what a process costs (Linux: /proc)


def cpu_s(*pids: int) -> float:
    """Return the seconds of processor time, user and system, that processes have used, all threads."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)  # clock_getcpuclockid(3), to the ns


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    return _megabytes(Path(f"/proc/{pid}/status"), "VmRSS:")


def peak_rss_mb(pid: int) -> float:
    """Return the most resident memory that a process has had."""
    return _megabytes(Path(f"/proc/{pid}/status"), "VmHWM:")


def pss_mb(pid: int) -> float:
    """Return the resident memory of a process, what it shares counted by its share."""
    return _megabytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")


def _megabytes(path: Path, key: str) -> float:
    line = next(line for line in path.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) / 1024


def children(pid: int) -> list[int]:
    """Return the pids of a process's children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# --- on paper and in JSON


def show(rows: Iterable[Row]) -> None:
    """Print rows as a table."""
    for one in rows:
        cells = " · ".join(f"{key} {value}" for key, value in one["settings"].items())
        low, high = number(one["low"]), number(one["high"])
        print(
            f"{one['measure']:<50} {one['system']:<22}{number(one['value']):>12} {one['unit']:<10}"
            f"{low:>10} –{high:>10}  {cells}"
        )
    sys.stdout.flush()


def number(value: float) -> str:
    """Return a figure as people read it."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def failure(table: str, system: str, what: str, why: str) -> Failure:
    """Return what the page says of a figure that could not be taken."""
    return {"table": table, "system": system, "what": what, "why": why}


def save(
    path: str | None, facts: dict[str, Any], rows: Sequence[Row], failures: Sequence[Failure] = ()
) -> None:
    """Write a result file, whole or not at all; does nothing without a path."""
    if path is None:
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    found = {"machine": facts, "rows": list(rows), "failures": list(failures)}
    Path(f"{path}.new").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    os.replace(f"{path}.new", path)
