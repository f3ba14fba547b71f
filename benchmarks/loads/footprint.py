"""What the queue's processes take while nothing happens: memory, import time, processor time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from queuack_store import DuckQueue

from benchmarks.loads.stage import Stage, fill, owner_pid, warm, worker
from benchmarks.measuring import ROOT, Row, children, cpu_s, pss_mb, row, rss_mb, wait_until

IMPORT = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
CLIENT = """
import sys
from {0} import DuckQueue
queue = DuckQueue(sys.argv[1])
queue.enqueue(print, ("a job",), check_backpressure=False)
line = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
print(int(line.split()[1]) / 1024)
queue.close()
"""


def measure(stage: Stage) -> Iterator[Row]:
    """Yield memory in MB, import times in ms and idle processor time in percent of a core."""
    yield from _owner(stage)
    yield from _client(stage)
    yield from _family(stage)
    yield _idle_cpu(stage)


def _owner(stage: Stage) -> Iterator[Row]:
    """The owner with one client: fresh, and after it took in every backlog and gave out some of it."""
    for pending in stage.pending:
        found = []
        for _ in range(1 if stage.quick else stage.runs):
            path = stage.file()
            with DuckQueue(path) as queue:
                fill(queue, pending)
                queue.sql("SELECT count(*) FROM jobs").fetchall()
                for job in queue.claim_batch(100) if pending else ():
                    queue.ack(job.id)
                time.sleep(2)
                found.append(rss_mb(owner_pid(path)))
        yield row("queue", "owner's RSS", found, "MB", settings={"pending": pending})


def _client(stage: Stage) -> Iterator[Row]:
    for module in ("queuack", "queuack_store"):
        times = [float(_python(IMPORT.format(module))) * 1_000 for _ in range(11)][1:]
        yield row("queue", f"import {module}", times, "ms", durable=False)
    path = stage.file()
    with DuckQueue(path):
        sizes = [float(_python(CLIENT.format("queuack_store"), path)) for _ in range(stage.runs)]
    yield row("queue", "client's RSS", sizes, "MB")


def _python(source: str, *arguments: str) -> str:
    command = [sys.executable, "-c", source, *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def _family(stage: Stage) -> Iterator[Row]:
    """Owner, supervisor and two children, all idle after some jobs."""
    path = stage.file()
    found = []
    for _ in range(stage.runs):
        with DuckQueue(path) as queue, worker(path, 2) as supervisor:
            warm(queue)
            time.sleep(2)
            pids = [owner_pid(path), supervisor.pid, *children(supervisor.pid)]
            found.append(sum(map(pss_mb, pids)))
    yield row("queue", "PSS, owner + supervisor + 2 children", found, "MB", settings={"processes": 2})


def _idle_cpu(stage: Stage) -> Row:
    path, seconds = stage.file(), stage.some(40)
    with DuckQueue(path) as queue, worker(path, 8) as supervisor:
        wait_until(lambda: len(children(supervisor.pid)) == 8, "eight children")
        warm(queue)
        time.sleep(3)
        pids = [owner_pid(path), supervisor.pid, *children(supervisor.pid)]
        shares = []
        for _ in range(stage.runs):
            before = cpu_s(*pids)
            time.sleep(seconds)
            shares.append((cpu_s(*pids) - before) / seconds * 100)
    settings = {"processes": 8, "seconds": seconds, "counted": "owner, supervisor, children"}
    return row("queue", "idle CPU, 8 children", shares, "% of a core", settings=settings)
