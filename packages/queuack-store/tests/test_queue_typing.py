"""Typed usage: what a type checker accepts and refuses of the public names, checked by mypy itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from queuack_store.testing.typechecking import refused_lines

PROGRAM = """
from typing import Any
from queuack_store import DuckQueue, Job, get_default_queue, job

class Quiet(DuckQueue):
    @classmethod
    def backpressure_warning_threshold(cls) -> int:
        return 5

    def purge(self, queue: str | None = None, status: str = "done", older_than_hours: float = 1) -> int:
        return super().purge(queue, status, older_than_hours)

queue: DuckQueue = get_default_queue()

@job(queue, priority=80)
def send(to: str, *, copies: int = 1) -> bool:
    return True

a: str = queue.enqueue(send, ("x",), depends_on=["id"], retry_delay=1.5)
b: list[str] = queue.enqueue_batch([(send, ("x",), {})])
c: Job | None = queue.claim()
d: dict[str, int] = queue.stats()
e: str = send.delay("x", copies=2)
f: bool = send("x")
rows = queue.sql("SELECT 1")
g: list[tuple[Any, ...]] = rows.fetchall()

async def use() -> str:
    await queue.await_result(a, timeout=1)
    return await queue.aenqueue(send, ("x",), priority=60)

send.delay(1)  # refused
send.delay("x", copies="2")  # refused
queue.enqueue("not a function")  # refused
queue.enqueue(send, prioritty=5)  # refused
wrong: int = queue.enqueue(send)  # refused
queue.claim().execute()  # refused
"""


def test_a_type_checker_sees_the_public_names(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    refused, found, said = refused_lines(PROGRAM, tmp_path)
    assert found == refused, said
