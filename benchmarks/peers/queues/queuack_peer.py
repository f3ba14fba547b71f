"""queuack: the file, its owner and its workers, as the README says."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from marks import noop
from queuack_store import DuckQueue

PATH = os.path.join(os.environ["PEER_FOLDER"], "jobs.duckdb")


class Producer:
    """A handle on the queue's file."""

    def __init__(self) -> None:
        self._queue = DuckQueue(PATH)
        self.close = self._queue.close

    def enqueue(self, x: int) -> None:
        self._queue.enqueue(noop, args=(x,), check_backpressure=False)

    def enqueue_many(self, xs: Iterable[int]) -> None:
        self._queue.enqueue_batch([(noop, (x,), {}) for x in xs])


open_producer = Producer


def worker_commands(processes: int) -> list[list[str]]:
    program = os.path.join(os.path.dirname(sys.executable), "queuack-worker")
    return [[program, PATH, "--processes", str(processes)]]
