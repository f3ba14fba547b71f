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


def measure_streams(rounds: int, quick: bool) -> Iterator[measuring.Row]:
    """Rows per second and peak memory of each way to write and to read a million rows.

    pandas is apart, for pyarrow imports it wherever it is installed, which costs 1.7 s and 50 MB.
    """
    yield from _rows((*STREAM_PACKAGES, OURS), rounds, quick, None)
    yield from _rows((*STREAM_PACKAGES, PANDAS, OURS), rounds, quick, "/pandas")


def _rows(packages: tuple[str, ...], rounds: int, quick: bool, only: str | None) -> Iterator[measuring.Row]:
    python = venvs.python_of(packages)
    with tempfile.TemporaryDirectory(prefix="queuack-bench-") as folder:
        result = Path(folder) / "stream.json"
        command = [
            python,
            str(venvs.ROOT / "benchmarks" / "stream.py"),
            "--json",
            str(result),
            "--runs",
            str(rounds),
        ]
        command += ["--quick"] * quick + (["--only", only] if only else [])
        subprocess.run(command, check=True, cwd=venvs.ROOT)
        found = json.loads(result.read_text())
    yield from found["rows"]
