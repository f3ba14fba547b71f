"""Milliseconds per node of a DAG's whole life: described, submitted durably, executed in threads.

The workloads are 1,000 no-op nodes in 10 layers with 3 parents each, a chain of 1,000, a fan-out of 10,000
with a fan-in, and a map of 100,000 items beside as many nodes. Each run is a DAG of its own in one
queue file; a warm-up, then the runs, of which the median counts. The floor is a bare thread pool that calls
the same functions and stores nothing.

    python benchmarks/dag.py [--quick] [--runs N] [--only NAME] [--owner process|inline|memory] [--json PATH]
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a script: this folder's queue.py would hide the standard library's
    sys.path.remove(str(Path(__file__).resolve().parent))
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from queuack_dag import DAG
from queuack_store import DuckQueue

from benchmarks import measuring
from benchmarks.loads import mapping
from benchmarks.measuring import Row, row

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


WORKLOADS: dict[str, tuple[Callable[[DuckQueue, int], DAG], int, str]] = {
    "layers": (layers, 1_000, "1,000 nodes in 10 layers, 3 parents each"),
    "chain": (chain, 1_000, "chain of 1,000"),
    "fan": (fan, 10_000, "fan-out of 10,000 and fan-in"),
}
PARTS = ("build", "submit", "execute")


def once(queue: DuckQueue, build: Callable[[DuckQueue, int], DAG], count: int) -> dict[str, float]:
    """Return the milliseconds per node of one run, by part and in all."""
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


def measure(args: argparse.Namespace) -> Iterator[list[Row]]:
    """Give the whole of each workload, its parts, and its floor."""
    for name, (build, count, measure) in WORKLOADS.items():
        if args.only and args.only != name:
            continue
        count = count // 10 if args.quick else count
        with tempfile.TemporaryDirectory() as folder:
            path = ":memory:" if args.owner == "memory" else os.path.join(folder, "jobs.db")
            owner = "process" if args.owner == "memory" else args.owner
            with DuckQueue(path, owner=owner) as queue:
                once(queue, build, count)
                runs = [once(queue, build, count) for _ in range(args.runs)]
        facts = {"settings": {"nodes": count, "owner": args.owner}, "durable": args.owner != "memory"}
        found = [row("dag", measure, [run["all"] for run in runs], "ms/node", **facts)]
        found += [row("dag", f"{measure}: {p}", [run[p] for run in runs], "ms/node", **facts) for p in PARTS]
        bare = [floor(count) for _ in range(args.runs)]
        facts = {"settings": {"nodes": count}, "durable": False, "floor": True}
        found.append(row("dag", measure, bare, "ms/node", system="thread pool (no state)", **facts))
        yield found
    if args.only in (None, "map") and args.owner == "process":
        yield mapping.measure(min(args.runs, 3), args.quick)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a tenth of the nodes")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=[*WORKLOADS, "map"])
    parser.add_argument("--owner", choices=["process", "inline", "memory"], default="process")
    parser.add_argument("--json", metavar="PATH")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        facts = measuring.machine(folder, LIBRARIES)
    facts["profile"] = "quick" if args.quick else "full"
    print(" · ".join(f"{key} {value}" for key, value in facts.items()), flush=True)
    rows: list[Row] = []
    for found in measure(args):
        measuring.show(found)
        rows += found
        measuring.save(args.json, facts, rows)


if __name__ == "__main__":
    main()
