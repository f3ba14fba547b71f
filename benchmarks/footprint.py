"""What queuack takes: the installed size of each package with all it brings, and the memory of its processes.

Builds the wheels, installs each set into an environment of its own (with uv, from the index), and measures.
Sizes are of site-packages without byte code, in MB of 1,000,000 bytes; memory is the proportional share (PSS)
of a process once it idles, from /proc, so Linux only.

    python benchmarks/footprint.py [--json results.json]
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a script: this folder's queue.py would hide the standard library's
    sys.path.remove(str(Path(__file__).resolve().parent))
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import argparse
import json
import os
import shutil
import subprocess
import tempfile

from rich.console import Console
from rich.table import Table

from benchmarks import measuring
from benchmarks.measuring import ROOT, row

SETS = {  # our wheels, by file: the index may hold others of their names
    "queuack-viz": ["viz"],
    "queuack-store": ["store"],
    "queuack-store, -worker": ["store", "worker"],
    "queuack-store, -worker, -dag": ["store", "worker", "dag", "viz"],
    "queuack-stream": ["stream"],
    "queuack (all six)": ["store", "worker", "dag", "viz", "stream", ""],
}
LARGE_MB = 1.5  # packages below it are summed up
VERSIONS = """
import json
from importlib.metadata import version
print(json.dumps({name: version(name) for name in ("queuack", "duckdb", "pyarrow")}))
"""
PROBE = """
import json, os, subprocess, sys, time
from queuack_store import DuckQueue

def pss(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))

db = os.path.abspath("probe.duckdb")
with DuckQueue(db) as queue:
    client = pss(os.getpid())
    worker = subprocess.Popen([sys.argv[1], db, "--processes", "2", "--log-level", "error"])
    queue.wait_all(queue.enqueue_batch([(len, ("quack",)) for _ in range(1000)]), timeout=60)
    time.sleep(3)
    owner = int(open(f"{db}.lock").read().split()[0])
    with open(f"/proc/{worker.pid}/task/{worker.pid}/children") as file:
        children = [int(pid) for pid in file.read().split()]
    found = {
        "a client that enqueues and waits": client,
        "the owner": pss(owner),
        "a worker's supervisor": pss(worker.pid),
        "each of its children": sum(map(pss, children)) / len(children),
    }
    worker.terminate()
    worker.wait()
print(json.dumps(found))
"""


def main() -> int:
    """Measure, print two tables, and write JSON if asked."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--json", metavar="PATH")
    target = options.parse_args().json
    uv = shutil.which("uv") or str(ROOT / ".uv/bin/uv")
    sizes: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        facts = measuring.machine(folder, ()) | {"profile": "full"}
        run(
            uv, "build", "--quiet", "--all-packages", "--wheel", "--out-dir", str(folder / "wheels"), cwd=ROOT
        )
        for label, packages in SETS.items():
            environment = folder / label.replace(" ", "_")
            wheels = [str(wheel) for name in packages for wheel in wheels_of(folder / "wheels", name)]
            run(uv, "venv", "--quiet", "--python", sys.executable, str(environment))
            run(uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(environment), *wheels)
            sizes[label] = sizes_of(next(environment.glob("lib/python*/site-packages")))
        bin_folder = folder / "queuack_(all_six)" / "bin"
        facts["versions"] = json.loads(
            run(str(bin_folder / "python"), "-c", VERSIONS)
        )  # the newest there are
        said = run(str(bin_folder / "python"), "-c", PROBE, str(bin_folder / "queuack-worker"), cwd=folder)
    memory = {what: size / 1e6 for what, size in json.loads(said).items()}
    show(sizes, memory)
    rows = [
        row("footprint", f"installed: {label}", [sum(parts.values())], "MB", settings={"of": large(parts)})
        for label, parts in sizes.items()
    ]
    rows += [row("footprint", f"running: {what}", [size], "MB") for what, size in memory.items()]
    measuring.save(target, facts, rows)
    return 0


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a command, return what it printed."""
    clean = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    return subprocess.run(command, cwd=cwd, env=clean, check=True, stdout=subprocess.PIPE, text=True).stdout


def wheels_of(folder: Path, name: str) -> list[Path]:
    """The wheel of one of our packages; "" is the umbrella's."""
    return list(folder.glob(f"queuack_{name}-*.whl" if name else "queuack-*.whl"))


def sizes_of(site: Path) -> dict[str, float]:
    """MB of each top-level thing in an environment, the largest first; its own tools left out."""
    found: dict[str, float] = {}
    for entry in site.iterdir():
        files = [entry] if entry.is_file() else [path for path in entry.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files if path.suffix != ".pyc") / 1e6
        name = entry.name.partition("-")[0].partition(".")[0].lstrip("_") or entry.name
        if name not in ("virtualenv", "pycache__"):
            found[name] = found.get(name, 0.0) + size
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def large(parts: dict[str, float]) -> dict[str, float]:
    """The parts that are worth a name."""
    return {name: round(size, 1) for name, size in parts.items() if size >= LARGE_MB}


def show(sizes: dict[str, dict[str, float]], memory: dict[str, float]) -> None:
    """Print both tables."""
    installed = Table("install", "MB", "of which")
    for label, parts in sizes.items():
        named = [f"{name} {size:.0f}" for name, size in large(parts).items()]
        installed.add_row(label, f"{sum(parts.values()):.0f}", ", ".join(named))
    running = Table("process", "MB")
    for what, size in memory.items():
        running.add_row(what, f"{size:.0f}")
    Console(width=100).print(installed, running)


if __name__ == "__main__":
    sys.exit(main())
