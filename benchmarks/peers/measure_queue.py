"""One figure of one queue, measured in its own venv, as JSON: `measure_queue.py ADAPTER PHASE SIZE`.

An adapter is a module in `queues/` with

* `open_producer()`: an object with `enqueue(x)`, perhaps `enqueue_many(xs)`, and `close()`; any of them may
  be coroutine functions, and so may `open_producer` itself;
* `worker_commands(processes)`: the command lines that together start that many worker processes.

It finds where to work in the environment: PEER_FOLDER, PEER_VARIANT, PEER_REDIS, PEER_PG. Phases:

* `enqueue`: one call after the other, each awaited, in SIZE windows of a second; calls per second, median;
* `batch`: the peer's own batch call with 10,000 jobs, SIZE times; jobs per second, median;
* `drain`: SIZE jobs enqueued before two worker processes start; the clock runs from the moment when both have
  their first job to the start of the last job; jobs per second;
* `latency`: SIZE jobs, one each 50 ms, to idle workers; milliseconds from just before the call to the job's
  start, p50 and p99; the CPU of workers and servers in per cent of a core; their memory when idle (PSS, MB).

Standard library only.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import marks

from benchmarks.measuring import cpu_s, percentile, pss_mb

PROCESSES = 2
BATCH = 10_000
WARM_UP = 20
INTERVAL_SECONDS = 0.05
PATIENCE_SECONDS = 180.0


async def call(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function or a coroutine function."""
    found = function(*args)
    return await found if inspect.isawaitable(found) else found


def as_coroutine(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Make every `enqueue` awaitable; the wrapper costs 0.1 µs."""
    if inspect.iscoroutinefunction(function):
        return function

    async def calling(*args: Any) -> Any:
        return function(*args)

    return calling


async def enqueue(producer: Any, windows: int) -> dict[str, float]:
    one = as_coroutine(producer.enqueue)
    for x in range(WARM_UP):
        await one(x)
    rates = []
    for _ in range(windows):
        began, count = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < 1:
            await one(count)
            count += 1
        rates.append(count / passed)
    return {"enqueue": statistics.median(rates)}


async def batch(producer: Any, times: int) -> dict[str, float]:
    if not hasattr(producer, "enqueue_many"):
        return {}
    many = as_coroutine(producer.enqueue_many)
    await many(range(WARM_UP))
    rates = []
    for _ in range(times):
        began = time.perf_counter()
        await many(range(BATCH))
        rates.append(BATCH / (time.perf_counter() - began))
    return {"batch": statistics.median(rates)}


async def fill(producer: Any, count: int) -> None:
    if hasattr(producer, "enqueue_many"):
        many = as_coroutine(producer.enqueue_many)
        for start in range(0, count, BATCH):
            await many(range(start, min(start + BATCH, count)))
    else:
        one = as_coroutine(producer.enqueue)
        for x in range(count):
            await one(x)


def drain(adapter: Any, count: int) -> dict[str, float]:
    with workers(adapter, PROCESSES, barrier=PROCESSES) as started:
        found = wait_for_starts(count, started)
    began = max(at for x, at, _ in found if x == marks.PASSED)
    ended = max(at for x, at, _ in found if x >= 0)
    processes = len({process for x, _, process in found if x >= 0})
    return {"drain": (count - 1) / ((ended - began) / 1e9), "drain_processes": processes}


async def latency(adapter: Any, producer: Any, count: int) -> dict[str, float]:
    one = as_coroutine(producer.enqueue)
    with workers(adapter, PROCESSES, barrier=0) as started:
        for x in range(WARM_UP):
            await one(x)
        wait_for_starts(WARM_UP, started)
        await asyncio.sleep(3)  # idle: what is measured is what waits
        pids = [*tree(started), *servers()]
        memory, used = total(pss_mb, pids), total(cpu_s, pids)
        began, asked = time.monotonic_ns(), {}
        for i in range(count):
            await asyncio.sleep(max(0.0, (began + i * INTERVAL_SECONDS * 1e9 - time.monotonic_ns()) / 1e9))
            asked[WARM_UP + i] = time.monotonic_ns()
            await one(WARM_UP + i)
        found = wait_for_starts(WARM_UP + count, started)
        used = total(cpu_s, pids) - used
    waits = [(at - asked[x]) / 1e6 for x, at, _ in found if x in asked]
    return {
        "latency_p50": percentile(waits, 0.5),
        "latency_p99": percentile(waits, 0.99),
        "cpu_percent": used / (count * INTERVAL_SECONDS) * 100,
        "pss_idle": memory,
    }


def wait_for_starts(count: int, started: list[subprocess.Popen[bytes]]) -> list[tuple[int, int, int]]:
    """Wait until `count` different jobs have started; return the marks."""
    until = time.monotonic() + PATIENCE_SECONDS
    path = os.environ["PEER_MARKS"]
    while time.monotonic() < until and any(one.poll() is None for one in started):
        if os.path.exists(path) and os.path.getsize(path) >= count * marks.MARK.size:
            found = marks.read_marks(path)
            if len({x for x, _, _ in found if x >= 0}) >= count:
                return found
        time.sleep(0.05)
    found = {x for x, _, _ in marks.read_marks(path) if x >= 0}
    raise SystemExit(
        f"only {len(found)} of {count} jobs started, and the workers ended or {PATIENCE_SECONDS:.0f} s passed"
    )


@contextmanager
def workers(adapter: Any, processes: int, barrier: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start the peer's worker processes; end them, and all they started, when left."""
    environment = {**os.environ, "PEER_BARRIER": str(barrier)}
    log = open(Path(os.environ["PEER_FOLDER"], "workers.log"), "ab")  # noqa: SIM115
    started = [
        subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        for command in adapter.worker_commands(processes)
    ]
    log.close()
    try:
        yield started
    finally:
        for one in started:
            one.send_signal(signal.SIGTERM)
        for one in started:
            try:
                one.wait(10)
            except subprocess.TimeoutExpired:
                pass
            try:
                os.killpg(one.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            one.wait()


def tree(started: list[subprocess.Popen[bytes]]) -> list[int]:
    """The processes of the workers' sessions."""
    sessions = {one.pid for one in started}
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.getsid(int(name)) in sessions:
                    found.append(int(name))
            except ProcessLookupError:
                pass
    return found


def servers() -> list[int]:
    """The server's processes, and queuack's owner: whatever has the peer's folder in its command line."""
    folder, found = os.environ["PEER_FOLDER"].encode(), []
    server = os.environ.get("PEER_SERVER_PID")
    for name in os.listdir("/proc"):
        try:
            is_peers = folder in Path("/proc", name, "cmdline").read_bytes() and int(name) != os.getpid()
            status = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if is_peers or (server and server in (name, status[1])):
            found.append(int(name))
    return found


def total(measure: Callable[[int], float], processes: list[int]) -> float:
    """Add up what processes cost; a server's helpers come and go, and those that have gone count nothing."""
    added = 0.0
    for process in processes:
        with suppress(OSError, StopIteration):
            added += measure(process)
    return added


async def measure(adapter: Any, phase: str, size: int) -> dict[str, float]:
    producer = await call(adapter.open_producer)
    try:
        if phase == "enqueue":
            return await enqueue(producer, size)
        if phase == "batch":
            return await batch(producer, size)
        if phase == "latency":
            return await latency(adapter, producer, size)
        await fill(producer, size)
    finally:
        await call(producer.close)
    return drain(adapter, size)


def main() -> None:
    name, phase, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
    print(json.dumps(asyncio.run(measure(importlib.import_module(name), phase, size))))


if __name__ == "__main__":
    main()
