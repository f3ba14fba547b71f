"""A map of many items against as many jobs enqueued in one batch: what each costs, and the owner's memory."""

from __future__ import annotations

import os
import tempfile
import time

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


def _once(kind: str, count: int) -> dict[str, float]:
    """Run it in a queue of its own, in threads; return ms of wall and CPU time per item, and MB at most."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "jobs.db")
        with DuckQueue(path) as queue:
            queue.stats()  # the owner serves
            owner = owner_pid(path)
            cpu, began = cpu_s(owner, os.getpid()), time.perf_counter()
            dag = (_map if kind == "map" else _jobs)(queue, count)
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
    for kind, name in (("map", f"map of {count:,} items"), ("jobs", f"{count:,} nodes without edges")):
        _once(kind, count // 100)
        found = [_once(kind, count) for _ in range(runs)]
        facts = {"settings": {"items": count}, "durable": True}
        rows.append(row("dag", name, [one["wall"] for one in found], "ms/node", **facts))
        rows.append(
            row("dag", f"{name}: CPU, owner and worker", [one["cpu"] for one in found], "ms/node", **facts)
        )
        rows.append(row("dag", f"{name}: owner's peak RSS", [one["peak"] for one in found], "MB", **facts))
    return rows
