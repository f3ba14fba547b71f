"""A worker for queuack: threads or a pool of processes that run the jobs of one DuckDB file.

Importing this loads nothing: each name brings its module on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from queuack_worker.context import TaskContext, get_context
    from queuack_worker.errors import (
        JobCancelRequestedError,
        JobInterruptError,
        JobTimeoutError,
        WorkerStartError,
        WorkerStoppingError,
    )
    from queuack_worker.outcomes import Cancel, Discard, Snooze
    from queuack_worker.pool import WorkerPool
    from queuack_worker.tasks import async_task, retry_rules, retry_task, timed_task
    from queuack_worker.worker import Worker

__all__ = [
    "Cancel",
    "Discard",
    "JobCancelRequestedError",
    "JobInterruptError",
    "JobTimeoutError",
    "Snooze",
    "TaskContext",
    "Worker",
    "WorkerPool",
    "WorkerStartError",
    "WorkerStoppingError",
    "async_task",
    "get_context",
    "retry_rules",
    "retry_task",
    "timed_task",
]

_HOMES = {
    "Cancel": "outcomes",
    "Discard": "outcomes",
    "Snooze": "outcomes",
    "TaskContext": "context",
    "Worker": "worker",
    "WorkerPool": "pool",
    "async_task": "tasks",
    "get_context": "context",
    "retry_rules": "tasks",
    "retry_task": "tasks",
    "timed_task": "tasks",
}  # every other name lives in errors


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
