"""The figures of the queue: how fast jobs come in and are run, how soon they start, what it all costs.

Each load runs on queue files of its own in a temporary folder, with the owner a process of its own, without
and with 1,000,000 jobs pending; medians of the runs after a warm-up. All answers are durable.

    python benchmarks/queue.py [--quick] [--growth] [--runs N] [--pending N] [--only NAME]
        [--folder PATH] [--json PATH]
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a script: this folder's queue.py would hide the standard library's
    sys.path.remove(str(Path(__file__).resolve().parent))
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import argparse
import tempfile
import time
from types import ModuleType

from benchmarks import measuring
from benchmarks.loads import draining, enqueueing, footprint, growth, history, latency, recovery
from benchmarks.loads.stage import Stage

LOADS: dict[str, ModuleType] = {
    "enqueue": enqueueing,
    "drain": draining,
    "latency": latency,
    "footprint": footprint,
    "recovery": recovery,
    "history": history,
}
GROWTH = {  # of --growth alone; the first are the ones to have when time is short
    "acks": growth.ack_stalls,
    "sizes": growth.by_size,
    "payloads": growth.by_payload,
    "queues": growth.by_queues,
    "finished": growth.by_history,
    "lifecycles": growth.by_lifecycles,
}
LIBRARIES = ["queuack-store", "queuack-worker", "duckdb", "msgspec"]


def main() -> None:
    """Measure what was asked for, print it and write it down."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a quarter of the work, fewer runs")
    parser.add_argument("--growth", action="store_true", help="how cost grows, and nothing else")
    parser.add_argument("--runs", type=int, help="that count, after a warm-up (3; quick: 2)")
    parser.add_argument("--pending", type=int, default=1_000_000, help="the backlog; 0: only without")
    parser.add_argument("--only", choices=[*LOADS, *GROWTH], action="append", help="this load; repeatable")
    parser.add_argument("--folder", type=Path, help="where to work: the disk to measure (a temporary folder)")
    parser.add_argument("--json", metavar="PATH", help="where to write the results")
    asked = parser.parse_args()
    chosen = asked.only or list(GROWTH if asked.growth else LOADS)
    loads = {name: module.measure for name, module in LOADS.items()} | GROWTH
    with tempfile.TemporaryDirectory(prefix="queuack-bench-", dir=asked.folder) as folder:
        facts = measuring.machine(folder, LIBRARIES)
        facts["profile"] = _profile(asked)
        print(" · ".join(f"{key} {value}" for key, value in facts.items()), flush=True)
        runs = asked.runs or (2 if asked.quick else 3)
        pending = (0, asked.pending) if asked.pending else (0,)
        stage = Stage(Path(folder), runs, asked.quick, pending)
        rows: list[measuring.Row] = []
        failures: list[measuring.Failure] = []
        began = time.monotonic()
        for name in chosen:
            try:
                for one in loads[name](stage):
                    measuring.show([one])
                    rows.append(one)
                    measuring.save(asked.json, facts, rows, failures)  # what was measured stays
            except Exception as error:  # the other loads go on, and the page says so
                print(f"{name} failed: {error!r}", flush=True)
                failures.append(measuring.failure("queue", "queuack", name, str(error) or repr(error)))
            print(f"{name}: {time.monotonic() - began:.0f} s since the start", flush=True)
            stage.sweep()
        facts["fdatasync_after"] = round(measuring.fdatasync_rate(folder))
        measuring.save(asked.json, facts, rows, failures)
    print(f"{len(rows)} figures in {time.monotonic() - began:.0f} s")


def _profile(asked: argparse.Namespace) -> str:
    return "quick" if asked.quick else "full"


if __name__ == "__main__":
    main()
