"""Milliseconds per node of a DAG's whole life: described, submitted durably, executed in threads.

The workloads are those of TARGETS: 1,000 no-op nodes in 10 layers with 3 parents each, a chain of 1,000, and
a fan-out of 10,000 with a fan-in. Each run is a DAG of its own in one queue file; a warm-up, then the runs,
of which the median counts. The floor is a bare thread pool that calls the same functions and stores nothing.

    python benchmarks/dag.py [--quick] [--runs N] [--only NAME] [--owner process|inline|memory] [--json PATH]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

from queuack_dag import DAG
from queuack_store import DuckQueue

LIBRARIES = ["queuack-dag", "queuack-store", "queuack-worker", "duckdb"]


def noop(x: int) -> int:
    return x


def layers(queue: DuckQueue, count: int) -> DAG:
    """`count` nodes in 10 layers, each node with 3 parents in the layer above."""
    dag, width = DAG("layers", queue), count // 10
    for layer in range(10):
        for i in range(width):
            above = [f"n{layer - 1}_{(i + j) % width}" for j in range(3)] if layer else None
            dag.add_node(noop, f"n{layer}_{i}", args=(i,), depends_on=above)
    return dag


def chain(queue: DuckQueue, count: int) -> DAG:
    dag = DAG("chain", queue)
    for i in range(count):
        dag.add_node(noop, f"n{i}", args=(i,), depends_on=f"n{i - 1}" if i else None)
    return dag


def fan(queue: DuckQueue, count: int) -> DAG:
    dag = DAG("fan", queue)
    dag.add_node(noop, "first", args=(0,))
    for i in range(count):
        dag.add_node(noop, f"n{i}", args=(i,), depends_on="first")
    dag.add_node(noop, "last", args=(0,), depends_on=[f"n{i}" for i in range(count)])
    return dag


WORKLOADS: dict[str, tuple[Callable[[DuckQueue, int], DAG], int, float]] = {
    "layers": (layers, 1_000, 0.5),  # nodes, and the ms per node to reach now
    "chain": (chain, 1_000, 1.5),
    "fan": (fan, 10_000, 0.5),
}


def once(queue: DuckQueue, build: Callable[[DuckQueue, int], DAG], count: int) -> dict[str, float]:
    began = time.perf_counter()
    dag = build(queue, count)
    built = time.perf_counter()
    dag.submit()
    submitted = time.perf_counter()
    assert dag.execute(), dag.progress
    ended = time.perf_counter()
    scale = 1_000 / count
    return {
        "build": (built - began) * scale,
        "submit": (submitted - built) * scale,
        "execute": (ended - submitted) * scale,
        "all": (ended - began) * scale,
    }


def floor(count: int) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(noop, range(count)))
    return (time.perf_counter() - began) * 1_000 / count


def fdatasync_rate(folder: str) -> float:
    """Return how often a second the disk of `folder` makes 512 bytes durable."""
    path, count = os.path.join(folder, "sync"), 200
    sync = getattr(os, "fdatasync", os.fsync)
    with open(path, "wb", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(count):
            file.write(bytes(512))
            sync(file.fileno())
        return count / (time.perf_counter() - began)


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for name, (build, count, target) in WORKLOADS.items():
        if args.only and args.only != name:
            continue
        count = count // 10 if args.quick else count
        with tempfile.TemporaryDirectory() as folder:
            path = ":memory:" if args.owner == "memory" else os.path.join(folder, "jobs.db")
            owner = "process" if args.owner == "memory" else args.owner
            with DuckQueue(path, owner=owner) as queue:
                once(queue, build, count)
                runs = [once(queue, build, count) for _ in range(args.runs)]
        median = {part: statistics.median(run[part] for run in runs) for part in runs[0]}
        rows.append(
            {"workload": name, "nodes": count, "target_ms": target, "floor_ms": floor(count)}
            | {f"{part}_ms": value for part, value in median.items()}
            | {"worst_ms": max(run["all"] for run in runs), "best_ms": min(run["all"] for run in runs)}
        )
        show(rows[-1])
    return rows


def show(row: dict[str, Any]) -> None:
    verdict = "reached" if row["all_ms"] <= row["target_ms"] else "missed"
    print(
        f"{row['workload']:<8}{row['nodes']:>8,}{row['build_ms']:>9.3f}{row['submit_ms']:>9.3f}"
        f"{row['execute_ms']:>9.3f}{row['all_ms']:>9.3f}{row['target_ms']:>9.2f}  {verdict:<8}"
        f"{row['best_ms']:>8.3f} –{row['worst_ms']:>7.3f}{row['floor_ms']:>9.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a tenth of the nodes")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=WORKLOADS)
    parser.add_argument("--owner", choices=["process", "inline", "memory"], default="process")
    parser.add_argument("--json", metavar="PATH")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rate = fdatasync_rate(folder)
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "fdatasync_per_second": round(rate),
        "owner": args.owner,
        "runs": args.runs,
        "versions": {name: version(name) for name in LIBRARIES},
    }
    print(" · ".join(f"{key} {value}" for key, value in machine.items() if key != "versions"))
    print("ms per node: workload, nodes, build, submit, execute, all, target, verdict, best – worst, floor")
    rows = measure(args)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine, "rows": rows}, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    sys.exit(main())
