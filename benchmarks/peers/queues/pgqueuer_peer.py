"""PgQueuer: PostgreSQL, asyncpg; two worker processes; it stores no results."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import asyncpg
import marks
from pgqueuer import PgQueuer
from pgqueuer.models import Job
from pgqueuer.queries import Queries

URL = os.environ["PEER_PG"]


@asynccontextmanager
async def main() -> AsyncIterator[PgQueuer]:
    """What `pgq run` calls to make a worker."""
    worker = PgQueuer.from_asyncpg_connection(await asyncpg.connect(URL))

    @worker.entrypoint("noop")
    async def noop(job: Job) -> None:
        marks.noop(int(job.payload or b"0"))

    yield worker


class Producer:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._queries = Queries.from_asyncpg_connection(connection)
        self.close = connection.close

    async def enqueue(self, x: int) -> None:
        await self._queries.enqueue("noop", b"%d" % x)

    async def enqueue_many(self, xs: Iterable[int]) -> None:
        payloads = [b"%d" % x for x in xs]
        await self._queries.enqueue(["noop"] * len(payloads), payloads, [0] * len(payloads))


async def open_producer() -> Producer:
    connection = await asyncpg.connect(URL)
    await Queries.from_asyncpg_connection(connection).install()
    return Producer(connection)


def worker_commands(processes: int) -> list[list[str]]:
    return [
        [sys.executable, "-m", "pgqueuer", "run", "pgqueuer_peer:main", "--log-level", "WARNING"]
    ] * processes
