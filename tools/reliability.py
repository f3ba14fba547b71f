"""Write what the crash suites counted into docs/reliability.md: `tools/reliability.py [COUNTED.json]`."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- counted -->", "<!-- /counted -->"


def table(counted: dict[str, dict[str, Any]]) -> str:
    """Return the counts, a line each promise and a column each figure that all share; the rest below."""
    shared = ["kills", "acknowledged", "lost", "unexpected", "recovered", "runs", "duplicated", "seconds"]
    lines = [f"| who was killed | {' | '.join(shared)} |", "|---|" + "---:|" * len(shared)]
    further = []
    for promise, figures in counted.items():
        cells = [f"{figures[name]:,}" if name in figures else "" for name in shared]
        lines.append(f"| {promise} | {' | '.join(cells)} |")
        more = [f"{count:,} {name}" for name, count in figures.items() if name not in shared]
        further.append(f"* {promise}: {', '.join(more)}.")
    where = (
        f"DuckDB {version('duckdb')}, Python {platform.python_version()}, "
        f"{platform.system()}, {os.cpu_count()} cores."
    )
    return "\n".join([*lines, "", *further, "", where])


def main() -> None:
    """Replace what stands between the page's marks."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "reliability.json"
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    after = rest.split(END)[1]
    counted = table(json.loads(source.read_text("utf-8")))
    PAGE.write_text(f"{before}{BEGIN}\n{counted}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
