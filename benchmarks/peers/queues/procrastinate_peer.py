"""Procrastinate: PostgreSQL, a commit for each job; two worker processes; it stores no results."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

import marks
from procrastinate import App, PsycopgConnector

app = App(connector=PsycopgConnector(conninfo=os.environ["PEER_PG"]))


@app.task(name="noop")
async def noop(x: int) -> int:
    return marks.noop(x)


class Producer:
    async def enqueue(self, x: int) -> None:
        await noop.defer_async(x=x)

    async def enqueue_many(self, xs: Iterable[int]) -> None:
        await noop.batch_defer_async(*[{"x": x} for x in xs])

    async def close(self) -> None:
        await app.close_async()


async def open_producer() -> Producer:
    await app.open_async()
    await app.schema_manager.apply_schema_async()
    return Producer()


def worker_commands(processes: int) -> list[list[str]]:
    return [[sys.executable, "-m", "procrastinate", "--app=procrastinate_peer.app", "worker"]] * processes
