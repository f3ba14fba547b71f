"""dramatiq: Redis; two processes of eight threads, its default; results stored in Redis."""

from __future__ import annotations

import os
import sys

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from marks import noop

URL = os.environ["PEER_REDIS"]
broker = RedisBroker(url=URL)
broker.add_middleware(Results(backend=RedisBackend(url=URL)))
dramatiq.set_broker(broker)
actor = dramatiq.actor(noop, store_results=True)


class Producer:
    def enqueue(self, x: int) -> None:
        actor.send(x)

    def close(self) -> None:
        broker.close()


open_producer = Producer


def worker_commands(processes: int) -> list[list[str]]:
    return [[sys.executable, "-m", "dramatiq", "dramatiq_peer", "-p", str(processes)]]
