"""A worker for queuack: threads or a pool of processes that run the jobs of one DuckDB file.

Importing this loads nothing: each name brings its module on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from queuack_store.exports import exports

if TYPE_CHECKING:
    from queuack_worker.bound import JobFilter, bind_job
    from queuack_worker.context import TaskContext, get_context
    from queuack_worker.errors import (
        JobCancelRequestedError,
        JobInterruptError,
        JobTimeoutError,
        WorkerStartError,
        WorkerStoppingError,
    )
    from queuack_worker.hooks import JobEvent
    from queuack_worker.options import WorkerOptions
    from queuack_worker.outcomes import Cancel, Discard, Skip, Snooze
    from queuack_worker.pool import WorkerPool
    from queuack_worker.tasks import async_task, retry_rules, retry_task, timed_task
    from queuack_worker.worker import Worker

__all__ = [
    "Cancel",
    "Discard",
    "JobCancelRequestedError",
    "JobEvent",
    "JobFilter",
    "JobInterruptError",
    "JobTimeoutError",
    "Skip",
    "Snooze",
    "TaskContext",
    "Worker",
    "WorkerOptions",
    "WorkerPool",
    "WorkerStartError",
    "WorkerStoppingError",
    "async_task",
    "bind_job",
    "get_context",
    "retry_rules",
    "retry_task",
    "timed_task",
]

_HOMES = {
    "Cancel": "queuack_worker.outcomes",
    "Discard": "queuack_worker.outcomes",
    "JobEvent": "queuack_worker.hooks",
    "JobFilter": "queuack_worker.bound",
    "Skip": "queuack_worker.outcomes",
    "Snooze": "queuack_worker.outcomes",
    "TaskContext": "queuack_worker.context",
    "Worker": "queuack_worker.worker",
    "WorkerOptions": "queuack_worker.options",
    "WorkerPool": "queuack_worker.pool",
    "async_task": "queuack_worker.tasks",
    "bind_job": "queuack_worker.bound",
    "get_context": "queuack_worker.context",
    "retry_rules": "queuack_worker.tasks",
    "retry_task": "queuack_worker.tasks",
    "timed_task": "queuack_worker.tasks",
}  # every other name lives in errors

__getattr__, __dir__ = exports(globals(), _HOMES, "queuack_worker.errors")
