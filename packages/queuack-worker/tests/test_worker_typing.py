"""Typed usage: what a type checker accepts and refuses of decorated tasks and of a worker's options."""

from __future__ import annotations

from pathlib import Path

import pytest
from queuack_store.testing.typechecking import refused_lines

PROGRAM = """
from queuack_store import DuckQueue, job
from queuack_worker import (
    TaskContext, Worker, WorkerOptions, WorkerPool,
    async_task, get_context, retry_rules, retry_task, timed_task,
)

queue = DuckQueue(":memory:")

@job(queue)
@retry_task(max_attempts=2, retry_on=OSError)
@timed_task
def send(to: str, copies: int = 1) -> bool:
    return True

@async_task
async def fetch(url: str) -> bytes:
    return b""

@retry_rules(no_retry_on=(ValueError, KeyError))
def load(context: TaskContext, name: str) -> int:
    return int(context.upstream(name))

a: str = send.delay("x")
b: bool = send("x", copies=2)
c: bytes = fetch("x")
d: TaskContext | None = get_context()
options: WorkerOptions = {"grace": 1.0, "min_disk_free": "1G"}
Worker(queue, queues=[("high", 100), "low"], **options)
with WorkerPool(queue, 2, max_load=0.9) as pool:
    e: bool = pool.stop(timeout=1)

send.delay(1)  # refused
send.delay("x", copies="2")  # refused
send(to=2)  # refused
fetch()  # refused
f: str = fetch("x")  # refused
load(1, "x")  # refused
timed_task(send)("x", 1, 2)  # refused
retry_task(retry_on=1)  # refused
Worker(queue, gracious=1)  # refused
WorkerPool(queue, max_load="much")  # refused
"""


def test_a_type_checker_sees_through_the_decorators(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    refused, found, said = refused_lines(PROGRAM, tmp_path)
    assert found == refused, said
