"""A map of many items against as many nodes: what each costs, and the owner's memory.

Beside nodes without edges stand nodes that one more waits for, as the job that gathers a map's results waits
for its items: what an edge costs is no cost of a map.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable

from queuack_dag import DAG
from queuack_store import DuckQueue

from benchmarks.loads.stage import owner_pid
from benchmarks.measuring import Row, cpu_s, row


def noop(x: int) -> int:
    return x


def _map(queue: DuckQueue, count: int) -> DAG:
    dag = DAG("map", queue)
    dag.add_node(range, "numbers", args=(count,))
    dag.map(noop, over="numbers", name="items")
    return dag


def _jobs(queue: DuckQueue, count: int) -> DAG:
    dag = DAG("jobs", queue, validate=False)
    for i in range(count):
        dag.add_node(noop, f"n{i}", args=(i,))
    return dag


def _gathered(queue: DuckQueue, count: int) -> DAG:
    dag = DAG("gathered", queue)
    nodes = [dag.add_node(noop, f"n{i}", args=(i,)) for i in range(count - 1)]
    dag.add_node(noop, "last", args=(0,), depends_on=nodes)
    return dag


KINDS = {
    "map of {:,} items": _map,
    "{:,} nodes without edges": _jobs,
    "{:,} nodes that the last waits for": _gathered,
}


def _once(build: Callable[[DuckQueue, int], DAG], count: int) -> dict[str, float]:
    """Run it in a queue of its own, in threads; return ms of wall and CPU time per item, and MB at most."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "jobs.db")
        with DuckQueue(path) as queue:
            queue.stats()  # the owner serves
            owner = owner_pid(path)
            cpu, began = cpu_s(owner, os.getpid()), time.perf_counter()
            dag = build(queue, count)
            assert dag.execute(), dag.progress
            seconds, used = time.perf_counter() - began, cpu_s(owner, os.getpid()) - cpu
            peak = _peak_mb(owner)
            assert queue.stats()["done"] >= count
    return {"wall": seconds * 1_000 / count, "cpu": used * 1_000 / count, "peak": peak}


def _peak_mb(pid: int) -> float:
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1_024


def measure(runs: int, quick: bool) -> list[Row]:
    """Return the rows: per kind the time per item, the processor time per item, and the owner's peak."""
    count = 10_000 if quick else 100_000
    rows: list[Row] = []
    for build in KINDS.values():
        _once(build, count // 100)
    every = [{kind: _once(build, count) for kind, build in KINDS.items()} for _ in range(runs)]
    for kind in KINDS:
        name, found = kind.format(count), [each[kind] for each in every]
        facts = {"settings": {"items": count}, "durable": True}
        rows.append(row("dag", name, [one["wall"] for one in found], "ms/node", **facts))
        rows.append(
            row("dag", f"{name}: CPU, owner and worker", [one["cpu"] for one in found], "ms/node", **facts)
        )
        rows.append(row("dag", f"{name}: owner's peak RSS", [one["peak"] for one in found], "MB", **facts))
    return rows
