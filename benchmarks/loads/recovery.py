"""How soon it goes on: after SIGKILL of the owner or of a worker's child, and when a file is opened again."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from queuack_store import DuckQueue

from benchmarks.loads.stage import Stage, owner_pid, warm, worker
from benchmarks.loads.tasks import hold, noop
from benchmarks.measuring import Row, row, wait_until

KILLS = 5


def measure(stage: Stage) -> Iterator[Row]:
    """Yield seconds to the next answer, to the job's next start, and to a file's first answer."""
    for pending in stage.pending:
        values = [_owner_killed(stage, pending) for _ in range(1 + KILLS)][1:]
        yield row(
            "queue", "SIGKILL of the owner to the next answer", values, "s", settings={"pending": pending}
        )
    values = _children_killed(stage)
    yield row("queue", "SIGKILL of a child to its job's next start", values, "s", settings={"pending": 0})
    for pending in stage.pending:
        values = [_reopened(stage.file(pending)) for _ in range(1 + stage.runs)][1:]
        yield row("queue", "reopening", values, "s", settings={"pending": pending})


def _owner_killed(stage: Stage, pending: int) -> float:
    """While a producer enqueues one by one and two processes work."""
    path, answers, stop = stage.file(pending), [0.0], threading.Event()
    with DuckQueue(path) as queue, worker(path, 2):

        def produce() -> None:
            while not stop.is_set():
                queue.enqueue(noop, (1,), check_backpressure=False)
                answers.append(time.monotonic())

        producer = threading.Thread(target=produce)
        producer.start()
        try:
            wait_until(lambda: queue.stats()["done"] > 500, "some load")
            victim = owner_pid(path)
            os.kill(victim, signal.SIGKILL)
            killed = time.monotonic()
            # The first answer after the kill may have been on its way already; the second was not.
            wait_until(lambda: len(answers) > 2 and answers[-2] > killed, "the next answer")
            return next(at for at in answers[1:] if answers[answers.index(at) - 1] > killed) - killed
        finally:
            stop.set()
            producer.join()


def _children_killed(stage: Stage) -> list[float]:
    path, found = stage.file(), []
    with DuckQueue(path) as queue, worker(path, 2):
        warm(queue)
        for number in range(KILLS):
            notes = Path(f"{path}.notes{number}")
            job = queue.enqueue(hold, (str(notes),), retry_delay=0)
            wait_until(lambda: _lines(notes) == 1, "the job's start")
            time.sleep(1)  # the other child is idle by now
            os.kill(int(notes.read_text().split()[0]), signal.SIGKILL)
            killed = time.monotonic()
            queue.wait(job, timeout=60)
            found.append(float(notes.read_text().split()[3]) - killed)
    return found


def _lines(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0


def _reopened(path: str) -> float:
    """A file at rest: from the constructor to the first answer, with an owner to be started."""
    began = time.monotonic()
    with DuckQueue(path) as queue:
        queue.stats()
        return time.monotonic() - began
