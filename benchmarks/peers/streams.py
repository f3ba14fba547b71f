"""The stream peers: our stream benchmark in a venv with polars, DuckDB and orjson, then with pandas."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import measuring
from benchmarks.peers import venvs
from benchmarks.peers.catalogue import PANDAS, STREAM_PACKAGES

OURS = str(venvs.ROOT / "packages" / "queuack-stream")
Found = tuple[list[measuring.Row], list[measuring.Failure]]


def measure_streams(rounds: int, quick: bool) -> Iterator[Found]:
    """Give rows per second and peak memory of each way to write and to read a million rows.

    pandas is apart, for pyarrow imports it wherever it is installed, which costs 1.7 s and 50 MB.
    """
    rows, failures = _found((*STREAM_PACKAGES, OURS), rounds, quick, None)
    yield rows, [failure for failure in failures if failure["system"] != "pandas"]
    rows, failures = _found((*STREAM_PACKAGES, PANDAS, OURS), rounds, quick, "/pandas")
    yield [row for row in rows if row["system"] == "pandas"], failures


def _found(packages: tuple[str, ...], rounds: int, quick: bool, only: str | None) -> Found:
    """Run it; what it saved before it failed counts all the same."""
    failures = []
    with tempfile.TemporaryDirectory(prefix="queuack-bench-") as folder:
        result = Path(folder) / "stream.json"
        script = str(venvs.ROOT / "benchmarks" / "stream.py")
        options = ["--json", str(result), "--runs", str(rounds), *["--quick"] * quick]
        options += ["--only", only] if only else []
        try:
            python = venvs.python_of(packages)
            subprocess.run([python, script, *options], check=True, cwd=venvs.ROOT)
        except (venvs.NotInstalled, subprocess.CalledProcessError) as error:
            system = "pandas" if only else "all"
            failures.append(measuring.failure("stream", system, "all that came after", str(error)))
        found = json.loads(result.read_text()) if result.exists() else {"rows": [], "failures": []}
    return found["rows"], found["failures"] + failures
