"""Which job a log line belongs to: its facts, for structlog, the standard library and our own lines."""

from __future__ import annotations

import logging
from typing import Any

from queuack_store import ids

from queuack_worker.context import running_job

FACTS = ("job_id", "task", "queue", "attempt", "dag_run_id")


def job_facts() -> dict[str, Any]:
    """Return the facts of the job that runs in this thread or coroutine; an empty dict outside a job."""
    job = running_job()
    if job is None:
        return {}
    run = None if job.run_id is None else ids.to_text(job.run_id)
    return {
        "job_id": ids.to_text(job.id),
        "task": job.task,
        "queue": job.queue,
        "attempt": job.attempt,
        "dag_run_id": run,
    }


def bind_job(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Add the running job's facts to a structlog event: a processor for `structlog.configure`.

    The command's own processes do this by themselves; it is for workers in threads of your program.
    """
    event.update(job_facts())
    return event


class JobFilter(logging.Filter):
    """Adds the running job's facts to each record, as attributes for a `Formatter` to name.

    `job_id`, `task`, `queue`, `attempt` and `dag_run_id`; None outside a job. Put it on a handler.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, with the facts."""
        record.__dict__.update(dict.fromkeys(FACTS) | job_facts())
        return True
