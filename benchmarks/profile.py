"""Where the time of a job goes: processor time of producer, owner and worker children, by what it is for.

    uv run --with py-spy python -m benchmarks.profile [--only LOAD] [--folder PATH] [--lines]

/proc says what each process used while a load ran, in the kernel (sockets, disk, waking of threads) and
outside it. py-spy samples it 500 times a second, which divides what was used outside. A sample counts for the
innermost of our files on its stack: what msgspec, pickle or DuckDB do is told by who called them; a thread
that waits counts for nothing. `--lines` shows the functions, too. What was found:
docs/decisions/0009-where-the-time-goes.md
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from queuack_store import DuckQueue

from benchmarks.dag import chain, fan, layers, once
from benchmarks.loads.enqueueing import _batches, _one, _processes, _threads
from benchmarks.loads.stage import fill, owner_pid, warm, worker
from benchmarks.measuring import children, wait_until

RATE = 500  # samples a second
PARTS = [  # the first that fits names the part; a frame is "function (file:line)"
    (r"^(encode|decode|split) .*engine/changes", "record: encode"),
    (r"sharing/frames|read_message|decode_reply", "frames: encode, decode"),
    (r"sharing/", "socket, hand-over"),
    (r"engine/inbox", "socket, hand-over"),
    (r"queuack_store/journal/", "journal: write, sync"),
    (r"queuack_store/duckdb/", "DuckDB: apply, read"),
    (r"queuack_store/engine/applier", "DuckDB: apply, read"),
    (r"queuack_store/engine/", "engine: decide, reply"),
    (r"queuack_store/(payload|callables|calls|ids|names|producing)", "call: pickle, names, id"),
    (r"benchmarks/loads/tasks", "user code"),
    (r"queuack_worker/", "worker: run, report"),
    (r"queuack_dag/|networkx/", "dag: describe, plan"),
]
WAITS = re.compile(
    r"selectors\.py|threading\.py|^(Link\.)?wait .*link\.py|^(Disk\.)?sync .*disk\.py|watch\.py"
)
_TICKS_US = 1e6 / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run the loads and print what each process spent on what."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=LOADS, action="append", help="this load; repeatable")
    parser.add_argument("--folder", type=Path, help="where to work (a temporary folder)")
    parser.add_argument("--lines", action="store_true", help="also the ten busiest functions")
    asked = parser.parse_args()
    for name in asked.only or LOADS:
        with tempfile.TemporaryDirectory(prefix="queuack-profile-", dir=asked.folder) as folder:
            LOADS[name](name, folder, asked.lines)


def _enqueue(load: Callable[[DuckQueue, int], object], count: int) -> Callable[[str, str, bool], None]:
    def run(name: str, folder: str, lines: bool) -> None:
        with DuckQueue(f"{folder}/queue.duckdb") as queue:
            load(queue, count // 10)
            pids = {"owner": owner_pid(queue.db_path), "producer": os.getpid()}
            _report(name, folder, pids, count, lambda: load(queue, count), lines)

    return run


def _drain(name: str, folder: str, lines: bool) -> None:
    count = 60_000
    with DuckQueue(f"{folder}/queue.duckdb") as queue, worker(queue.db_path, 2) as started:
        warm(queue)
        pids = {"owner": owner_pid(queue.db_path), "supervisor": started.pid}
        pids |= {f"child {n}": pid for n, pid in enumerate(children(started.pid), 1)}
        done = queue.stats()["done"]

        def load() -> None:
            fill(queue, count)
            wait_until(lambda: queue.stats()["done"] == done + count, "the drain")

        _report(name, folder, pids, count, load, lines)


LOADS: dict[str, Callable[[str, str, bool], None]] = {
    "one by one": _enqueue(_one, 4_000),
    "8 threads": _enqueue(_threads, 12_000),
    "8 processes": _enqueue(_processes, 6_000),
    "batches": _enqueue(_batches, 300_000),
    "drain": _drain,
    "dag, layers": _enqueue(lambda queue, count: once(queue, layers, count), 20_000),
    "dag, chain": _enqueue(lambda queue, count: once(queue, chain, count), 4_000),
    "dag, fan": _enqueue(lambda queue, count: once(queue, fan, count), 40_000),
}


def _report(
    name: str, folder: str, pids: dict[str, int], count: int, load: Callable[[], object], lines: bool
) -> None:
    spies = {}
    for who, pid in pids.items():
        command = ["py-spy", "record", "-p", str(pid), "-r", str(RATE), "-d", "600", "--nonblocking"]
        command += ["-f", "raw", "-F", "-o", f"{folder}/{who}.txt"]
        spies[who] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(2)  # they attach
    before = {who: _used_us(pid) for who, pid in pids.items()}
    began = time.monotonic()
    said = load()
    took = time.monotonic() - began
    after = {who: _used_us(pid) for who, pid in pids.items()}
    for spy in spies.values():
        spy.send_signal(2)
    for spy in spies.values():
        spy.wait(60)
    print(f"\n{name}: {count:,} jobs in {took:.1f} s, {count / took:,.0f}/s")
    if isinstance(said, tuple):
        print(f"  who enqueues, by its own count: {said[1] / count * 1e6:.1f} µs of CPU per job")
    for who in pids:
        outside, kernel = ((a - b) / count for a, b in zip(after[who], before[who], strict=True))
        print(f"  {who}: {outside + kernel:.1f} µs of CPU per job: in the kernel {kernel:.1f}; ", end="")
        _show(outside, Path(f"{folder}/{who}.txt"), lines)


def _used_us(pid: int) -> tuple[float, float]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) * _TICKS_US, int(fields[12]) * _TICKS_US


def _show(used_us: float, samples: Path, lines: bool) -> None:
    parts: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for line in samples.read_text().splitlines() if samples.exists() else ():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")[::-1]
        if WAITS.search(frames[0]):
            continue
        parts[_part(frames)] += int(count)
        functions[re.sub(r"\S*/(?=\w+/\w+\.py)", "", frames[0])] += int(count)
    total = sum(parts.values()) or 1
    shown = ", ".join(f"{part} {n / total * used_us:.1f}" for part, n in parts.most_common())
    print(f"{shown}  ({total} samples)")
    for function, n in functions.most_common(10 if lines else 0):
        print(f"      {n / total * used_us:6.1f}  {function}")


def _part(frames: list[str]) -> str:
    for frame in frames:
        for pattern, part in PARTS:
            if re.search(pattern, frame):
                return part
    return "else"


if __name__ == "__main__":
    main()
