"""Celery: Redis as broker and result backend; prefork; acks late, so that a job outlives its worker."""

from __future__ import annotations

import os
import sys

from celery import Celery
from marks import noop

URL = os.environ["PEER_REDIS"]
app = Celery("bench", broker=URL, backend=URL)
app.conf.update(task_acks_late=True, broker_connection_retry_on_startup=True)
task = app.task(noop, name="noop")


class Producer:
    def enqueue(self, x: int) -> None:
        task.delay(x)

    def close(self) -> None:
        app.close()


open_producer = Producer


def worker_commands(processes: int) -> list[list[str]]:
    command = [sys.executable, "-m", "celery", "-A", "celery_peer", "worker", "-c", str(processes)]
    return [[*command, "--loglevel", "WARNING"]]
