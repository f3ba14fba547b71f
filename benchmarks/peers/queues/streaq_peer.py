"""streaQ: Redis streams; two processes of sixteen coroutines, its default; results stored."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

import marks
from streaq import Worker

worker = Worker(redis_url=os.environ["PEER_REDIS"])


@worker.task()
async def noop(x: int) -> int:
    return marks.noop(x)


class Producer:
    async def enqueue(self, x: int) -> None:
        await noop.enqueue(x)

    async def enqueue_many(self, xs: Iterable[int]) -> None:
        await worker.enqueue_many([noop.enqueue(x) for x in xs])

    async def close(self) -> None:
        await worker.__aexit__(None, None, None)


async def open_producer() -> Producer:
    await worker.__aenter__()
    return Producer()


def worker_commands(processes: int) -> list[list[str]]:
    program = os.path.join(os.path.dirname(sys.executable), "streaq")
    return [[program, "run", "streaq_peer:worker", "--workers", str(processes)]]
