"""How fast jobs come in: one by one from one thread, eight threads, eight processes, and in batches."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from queuack_store import DuckQueue

from benchmarks.loads.stage import BATCH, Stage, fill, owner_pid
from benchmarks.loads.tasks import noop
from benchmarks.measuring import ROOT, Row, cpu_s, fdatasync_rate, row

PRODUCERS = 8


def measure(stage: Stage) -> Iterator[Row]:
    """Yield jobs per second of each way to enqueue, without and with a backlog."""
    for pending in stage.pending:
        path = stage.file(pending)
        with DuckQueue(path) as queue:
            loads: list[tuple[str, Callable[[DuckQueue], tuple[float, float]], int]] = [
                ("enqueue, 1 producer", _one, stage.some(8_000)),
                ("enqueue, 8 threads", _threads, stage.some(24_000)),
                ("enqueue, 8 processes", _processes, stage.some(24_000)),
                ("batch of 10,000", _batches, stage.some(400_000)),
            ]
            for name, load, count in loads:
                rate = fdatasync_rate(stage.folder)  # the disk's own, at this moment
                found = _measure(queue, path, name, load, count, stage.runs, pending)
                found["settings"]["fdatasync"] = round((rate + fdatasync_rate(stage.folder)) / 2)
                yield found


def _measure(
    queue: DuckQueue,
    path: str,
    name: str,
    load: Callable[[DuckQueue, int], tuple[float, float]],
    count: int,
    runs: int,
    pending: int,
) -> Row:
    load(queue, max(BATCH if load is _batches else 0, count // 10))
    rates, owner, sender = [], 0.0, 0.0
    pid = owner_pid(path)
    for _ in range(runs):
        before = cpu_s(pid)
        seconds, used = load(queue, count)
        owner += cpu_s(pid) - before
        sender += used
        rates.append(count / seconds)
    scale = 1e6 / (count * runs)
    cpu = {"owner": round(owner * scale, 1), "sender": round(sender * scale, 1)}
    return row("queue", name, rates, "jobs/s", settings={"pending": pending, "jobs": count}, cpu_us=cpu)


def one_by_one(queue: DuckQueue, count: int) -> None:
    """Enqueue so many no-ops with a call, and so a wait for the disk, each."""
    for i in range(count):
        queue.enqueue(noop, (i,), check_backpressure=False)


def _one(queue: DuckQueue, count: int) -> tuple[float, float]:
    return _timed(lambda: one_by_one(queue, count))


def _threads(queue: DuckQueue, count: int) -> tuple[float, float]:
    with ThreadPoolExecutor(PRODUCERS) as pool:
        return _timed(
            lambda: list(pool.map(lambda n: one_by_one(queue, n), [count // PRODUCERS] * PRODUCERS))
        )


def _batches(queue: DuckQueue, count: int) -> tuple[float, float]:
    return _timed(lambda: fill(queue, count))


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    began, used = time.monotonic(), time.process_time()
    work()
    return time.monotonic() - began, time.process_time() - used


def _processes(queue: DuckQueue, count: int) -> tuple[float, float]:
    """Time from the first one's start to the last one's end; all are connected before the first starts."""
    command = [sys.executable, "-m", "benchmarks.loads.producer", queue.db_path, str(count // PRODUCERS)]
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) for _ in range(PRODUCERS)
    ]
    for one in started:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in started:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [one.communicate()[0].split() for one in started]
    began, ended = min(float(words[0]) for words in said), max(float(words[1]) for words in said)
    return ended - began, sum(float(words[2]) for words in said)
