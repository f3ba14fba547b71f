"""Jobs of the soak: each leaves its line, in one way or another."""

from __future__ import annotations

import asyncio
import time

from queuack_worker import TaskContext
from worker_jobs import append


async def append_async(path: str, line: str) -> None:
    await asyncio.sleep(0.001)
    append(path, line)


def append_by_id(path: str, line: str, ctx: TaskContext) -> str:
    append(path, line)
    return ctx.job_id


def append_late(path: str, line: str) -> None:
    time.sleep(0.002)
    append(path, line)
