"""Importable functions that tests enqueue, and small helpers around a queue."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

import pytest

from queuack_store.ids import to_text
from queuack_store.jobs import Outcome
from queuack_store.queue import DuckQueue
from queuack_store.requests import Claim, Finish
from queuack_store.views import Job

LONG_S = 60.0  # how long a test waits for what must happen; reached only where it fails


class MakeQueue(Protocol):
    """Opens a handle on the test's store: the same one each time, unless it is in memory."""

    def __call__(self, cls: type[DuckQueue] = DuckQueue, /, **options: Any) -> DuckQueue:
        """Open a handle; it is closed after the test."""
        ...


def echo(*args: Any, **kwargs: Any) -> Any:
    """Return what it is given: one argument itself, otherwise (args, kwargs)."""
    return args[0] if len(args) == 1 and not kwargs else (args, kwargs)


def boom(text: str = "boom") -> None:
    """Fail."""
    raise ValueError(text)


def finish(queue: DuckQueue, /, **claim: Any) -> Job:
    """Claim the next job, run it and report how it ended."""
    job = queue.claim(**claim)
    assert job is not None, f"no job is ready: {queue.stats()}"
    try:
        result = job.execute()
    except Exception as error:
        queue.ack(job, error=error)
    else:
        queue.ack(job, result)
    return job


def claimed(queue: DuckQueue, job_id: str, /, **claim: Any) -> Job:
    """Claim the next job, which must be this one."""
    job = queue.claim(**claim)
    assert job is not None, f"no job is ready: {queue.stats()}"
    assert job.id == job_id
    return job


def fail_for_good(queue: DuckQueue, job_id: str) -> None:
    """Fail a ready job with one attempt."""
    queue.ack(claimed(queue, job_id), error="failed for good")
    found = queue.get_job(job_id)
    assert found is not None
    assert found.status == "failed"


def until_ready(queue: DuckQueue, name: str = "default") -> str:
    """Sleep until a job of the queue is ready, woken by the engine; leave it there and return its id."""
    (job,) = queue.store.call(Claim([(name, 0)], wait_s=LONG_S, whole=True), LONG_S)
    assert queue.store.call(Finish([Outcome(job.id, job.claim, "returned")])) == []
    return to_text(job.id)


def refused(
    kind: type[BaseException],
    what: object,
    call: Callable[..., Any],
    *args: Any,
    match: str = "",
    **options: Any,
) -> None:
    """Check that a call raises an error of `kind`; `what` names the case where it does not."""
    text = None
    try:
        call(*args, **options)
    except kind as error:
        text = str(error)
    assert text is not None, f"{what!r} was not refused"
    assert re.search(match, text), f"{what!r}: {text}"


def another(make_queue: MakeQueue, **options: Any) -> DuckQueue:
    """Open a second handle on the same store; skips where a store is private."""
    queue = make_queue(**options)
    if queue.db_path == ":memory:":
        pytest.skip("a queue in memory has one handle")
    return queue
