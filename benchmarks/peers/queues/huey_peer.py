"""huey: SQLite with or without fsync, or Redis; process workers; results stored."""

from __future__ import annotations

import os
import sys

from huey import RedisHuey, SqliteHuey
from marks import noop

VARIANT = os.environ["PEER_VARIANT"]
if VARIANT == "redis":
    huey = RedisHuey("bench", url=os.environ["PEER_REDIS"])
else:
    path = os.path.join(os.environ["PEER_FOLDER"], "huey.db")
    huey = SqliteHuey("bench", filename=path, fsync=VARIANT == "fsync")

task = huey.task()(noop)


class Producer:
    def enqueue(self, x: int) -> None:
        task(x)

    def close(self) -> None:
        pass


open_producer = Producer


def worker_commands(processes: int) -> list[list[str]]:
    consumer = os.path.join(os.path.dirname(sys.executable), "huey_consumer")
    return [[consumer, "huey_peer.huey", "-k", "process", "-w", str(processes)]]
