"""SAQ: Redis; two processes of ten coroutines, its default; results stored."""

from __future__ import annotations

import os
import sys
from typing import Any

import marks
from saq import Queue

queue = Queue.from_url(os.environ["PEER_REDIS"])


async def noop(_context: dict[str, Any], *, x: int) -> int:
    return marks.noop(x)


settings = {"queue": queue, "functions": [noop], "concurrency": 10}


class Producer:
    async def enqueue(self, x: int) -> None:
        await queue.enqueue("noop", x=x)

    async def close(self) -> None:
        await queue.disconnect()


async def open_producer() -> Producer:
    await queue.connect()
    return Producer()


def worker_commands(processes: int) -> list[list[str]]:
    return [[sys.executable, "-m", "saq", "saq_peer.settings"]] * processes
