"""RQ: Redis; SimpleWorker, its fastest (no fork for each job); results stored."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from marks import noop
from redis import Redis
from rq import Queue

URL = os.environ["PEER_REDIS"]


class Producer:
    def __init__(self) -> None:
        self._queue = Queue("bench", connection=Redis.from_url(URL))

    def enqueue(self, x: int) -> None:
        self._queue.enqueue(noop, x)

    def enqueue_many(self, xs: Iterable[int]) -> None:
        self._queue.enqueue_many([Queue.prepare_data(noop, (x,)) for x in xs])

    def close(self) -> None:
        pass


open_producer = Producer


def worker_commands(processes: int) -> list[list[str]]:
    program = os.path.join(os.path.dirname(sys.executable), "rq")
    command = [
        program,
        "worker",
        "bench",
        "--url",
        URL,
        "-w",
        "rq.SimpleWorker",
        "--logging_level",
        "WARNING",
    ]
    return [command] * processes
