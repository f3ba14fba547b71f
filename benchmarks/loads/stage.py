"""Where a load runs: fresh files, with a backlog where asked, worker processes, and who the owner is."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from queuack_store import DuckQueue

from benchmarks.loads.tasks import noop
from benchmarks.measuring import ROOT

BATCH = 10_000
BACKLOG = "backlog"  # a queue that nobody works on


@dataclass
class Stage:
    """A folder to work in, and how thorough to be.

    runs: how many count, after a warm-up. quick: less of everything. pending: the sizes of backlog.
    """

    folder: Path
    runs: int
    quick: bool
    pending: tuple[int, ...]
    _made: dict[tuple[int, str], Path] = field(default_factory=dict)
    _count: int = 0

    def file(self, pending: int = 0, queue: str = "default") -> str:
        """Return the path of a new queue file; one with `pending` jobs is filled once, then copied."""
        self._count += 1
        path = self.folder / f"queue{self._count}.duckdb"
        if pending:
            origin = self._made.get((pending, queue))
            if origin is None:
                origin = self._made[pending, queue] = self.folder / f"{queue}{pending}.duckdb"
                with DuckQueue(origin) as full:
                    fill(full, pending, queue)
            shutil.copyfile(origin, path)
        return str(path)

    def sweep(self) -> None:
        """Delete the files of the load that has ended; what was filled stays for the next."""
        for path in self.folder.glob("queue*"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def some(self, count: int) -> int:
        """Return how many of `count` things to do: a quarter in a quick run."""
        return count // 4 if self.quick else count


def fill(queue: DuckQueue, count: int, name: str | None = None) -> None:
    """Enqueue so many no-ops, in batches."""
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        queue.enqueue_batch([(noop, (i,)) for i in range(start, start + size)], queue=name)


def owner_pid(path: str) -> int:
    """Return the process that owns a queue file, from the first line of its lock."""
    return int(Path(f"{path}.lock").read_text().splitlines()[0])


@contextmanager
def worker(
    path: str, processes: int, concurrency: int = 1, options: Sequence[str] = (), lines: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `queuack-worker` on a file; drain it at the end. `lines`: the file for its log, else shown."""
    command = [sys.executable, "-m", "queuack_worker.cli", path, "--log-level", "error"]
    command += [
        "--processes",
        str(processes),
        "--concurrency",
        str(concurrency),
        "--app",
        str(ROOT),
        *options,
    ]
    with open(lines or os.devnull, "wb") as log:
        started = subprocess.Popen(command, stderr=log if lines else None)
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(60)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def warm(queue: DuckQueue, jobs: int = 200) -> None:
    """Have the workers run some jobs, so that what follows finds them started."""
    names = queue.enqueue_batch([(noop, (i,)) for i in range(jobs)])
    for name in names:
        queue.wait(name, timeout=60)
