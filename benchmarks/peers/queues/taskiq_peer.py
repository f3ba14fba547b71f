"""taskiq: Redis streams; two processes; results stored in Redis."""

from __future__ import annotations

import os
import sys

import marks
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

URL = os.environ["PEER_REDIS"]
broker = RedisStreamBroker(url=URL).with_result_backend(RedisAsyncResultBackend(redis_url=URL))


@broker.task
async def noop(x: int) -> int:
    return marks.noop(x)


class Producer:
    async def enqueue(self, x: int) -> None:
        await noop.kiq(x)

    async def close(self) -> None:
        await broker.shutdown()


async def open_producer() -> Producer:
    await broker.startup()
    return Producer()


def worker_commands(processes: int) -> list[list[str]]:
    return [[sys.executable, "-m", "taskiq", "worker", "taskiq_peer:broker", "--workers", str(processes)]]
