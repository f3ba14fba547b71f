"""A job as its users see it: ids as text, times as aware UTC datetimes, and `execute()`."""

from __future__ import annotations

from datetime import datetime
from types import CoroutineType
from typing import Any

import msgspec

from queuack_store.clock import to_datetime
from queuack_store.errors import InvalidRequestError
from queuack_store.ids import to_text
from queuack_store.jobs import ClaimedJob, JobView
from queuack_store.payload import PICKLE, decode_call
from queuack_store.states import JobStatus


class Job(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One job as it stood when it was asked for.

    Attributes:
        id: its UUID. task: the function, as "module:qualname". queue, priority, tags: as enqueued.
        status: a `JobStatus`, which is a `str`.
        created_at, execute_after, claimed_at, started_at, completed_at, expires_at: aware datetimes in
            UTC; None for what has not happened (`execute_after`: for a job that need not wait).
        claimed_by: the label of the worker that holds or held it.
        attempts: starts so far, hand-backs not counted; at most `max_attempts`.
        timeout_seconds: of one attempt; None for no limit.
        error: the last attempt's. skip_reason: why it was skipped.
        node_name, dag_run_id: where it belongs to a run of a DAG. dependency_mode: which parents it
            waits for; waiting_on: how many of them have not ended.
    """

    id: str
    queue: str
    status: JobStatus
    task: str = ""
    priority: int = 50
    created_at: datetime | None = None
    execute_after: datetime | None = None
    claimed_at: datetime | None = None
    claimed_by: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    attempts: int = 0
    max_attempts: int = 3
    timeout_seconds: float | None = 300.0
    error: str | None = None
    skip_reason: str | None = None
    node_name: str | None = None
    dag_run_id: str | None = None
    dependency_mode: str = "all"
    waiting_on: int = 0
    expires_at: datetime | None = None
    tags: tuple[str, ...] = ()
    _payload: bytes | None = None
    _serialization: str = PICKLE
    _allowed_modules: tuple[str, ...] | None = None

    def execute(self) -> Any:
        """Run the job's function in this thread and return its result (or raise what it raises).

        Only for jobs that this handle claimed; report the result with `ack`. A coroutine function
        is run to its end.

        Raises:
            InvalidRequestError: the job was not claimed. PayloadError: its function or arguments
                can't be loaded here.
        """
        if self._payload is None:
            raise InvalidRequestError(
                f"job {self.id} was not claimed by this handle: execute() runs what claim() returned",
                id=self.id,
            )
        func, args, kwargs = decode_call(self.task, self._payload, self._serialization, self._allowed_modules)
        result = func(*args, **kwargs)
        return _completed(result) if isinstance(result, CoroutineType) else result

    def __rich_repr__(self) -> Any:
        yield from self._shown()

    def __repr__(self) -> str:
        return f"Job({', '.join(f'{name}={value!r}' for name, value in self._shown())})"

    def _shown(self) -> list[tuple[str, Any]]:
        pairs = [(name, getattr(self, name)) for name in self.__struct_fields__ if name[0] != "_"]
        return [(name, value) for name, value in pairs if value not in (None, ())]


def _completed(coroutine: Any) -> Any:
    import asyncio  # only for coroutine functions
    import threading

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    results: list[Any] = []
    # A loop runs in this thread already (a notebook): the job gets a thread and a loop of its own.
    thread = threading.Thread(target=lambda: results.append(_caught(asyncio.run, coroutine)))
    thread.start()
    thread.join()
    value, error = results[0]
    if error is not None:
        raise error
    return value


def _caught(run: Any, coroutine: Any) -> tuple[Any, BaseException | None]:
    try:
        return run(coroutine), None
    except BaseException as error:
        return None, error


def from_view(view: JobView) -> Job:
    """Return the public form of a job's row."""
    return Job(**_fields(view))


def from_claim(
    claimed: ClaimedJob, view: JobView | None, serialization: str, allowed_modules: tuple[str, ...] | None
) -> Job:
    """Return a claimed job, with the call it carries; `view` is its row where there still is one."""
    if view is not None:
        fields = _fields(view)
    else:
        fields = {
            "id": to_text(claimed.id),
            "queue": claimed.queue,
            "task": claimed.task,
            "max_attempts": claimed.max_attempts,
            "timeout_seconds": claimed.timeout_s,
            "node_name": claimed.node_name,
            "dag_run_id": None if claimed.run_id is None else to_text(claimed.run_id),
            "dependency_mode": claimed.mode,
        }
    fields.update(status=JobStatus.CLAIMED, attempts=claimed.attempt)
    fields.update(_payload=claimed.payload, _serialization=serialization, _allowed_modules=allowed_modules)
    return Job(**fields)


def _fields(view: JobView) -> dict[str, Any]:
    return {
        "id": to_text(view.id),
        "queue": view.queue,
        "status": JobStatus(view.status),
        "task": view.task,
        "priority": view.priority,
        "created_at": to_datetime(view.created_at),
        "execute_after": to_datetime(view.execute_after),
        "claimed_at": to_datetime(view.claimed_at),
        "claimed_by": view.claimed_by,
        "started_at": to_datetime(view.started_at),
        "completed_at": to_datetime(view.completed_at),
        "attempts": view.attempts,
        "max_attempts": view.max_attempts,
        "timeout_seconds": view.timeout_s,
        "error": view.error,
        "skip_reason": view.skip_reason,
        "node_name": view.node_name,
        "dag_run_id": None if view.run_id is None else to_text(view.run_id),
        "dependency_mode": view.mode,
        "waiting_on": view.waiting_on,
        "expires_at": to_datetime(view.expires_at),
        "tags": tuple(view.tags),
    }
