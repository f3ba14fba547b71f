"""A node of a run as it stood when it was asked for: a plain dict, whose keys also read as attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queuack_store import ids
from queuack_store.clock import to_datetime
from queuack_store.jobs import JobView

from queuack_dag.errors import DAGStateError
from queuack_dag.status import OF_JOB, NodeStatus

if TYPE_CHECKING:
    from queuack_store.queue import DuckQueue


class NodeView(dict[str, Any]):
    """One node of a run.

    Keys, which are attributes too: `id, name, status` (a `NodeStatus`), `job_status, task, queue, priority,
    attempts, max_attempts, timeout_seconds, dependency_mode, error, skip_reason, dag_run_id, claimed_by`,
    and `created_at, started_at, completed_at` (aware datetimes in UTC, or None) and `duration_seconds`.
    """

    __slots__ = ("_source",)

    def __init__(self, fields: dict[str, Any], source: DuckQueue | None) -> None:
        super().__init__(fields)
        object.__setattr__(self, "_source", source)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"a node has no {name!r}; it has {', '.join(self)}") from None

    def result(self, timeout: float | None = None) -> Any:
        """Wait until the node has ended and return its result, of a sub-DAG its last nodes' by name.

        Raises:
            JobFailedError, JobCancelledError, JobSkippedError: it ended without success.
            WaitTimeoutError: it has not ended within `timeout` seconds (None: no limit).
            DAGStateError: the DAG was not submitted.
        """
        if self._source is None:
            raise DAGStateError(f"node {self['name']!r} has not been submitted: it has no result to wait for")
        return self._source.wait(self["id"], timeout)


def node_view(view: JobView, queue: DuckQueue) -> NodeView:
    """Return the node of a job."""
    seconds = None
    if view.started_at is not None and view.completed_at is not None:
        seconds = max(0.0, view.completed_at - view.started_at)
    return NodeView(
        {
            "id": ids.to_text(view.id),
            "name": view.node_name or ids.to_text(view.id),
            "status": OF_JOB[view.status],
            "job_status": view.status,
            "task": view.task,
            "queue": view.queue,
            "priority": view.priority,
            "attempts": view.attempts,
            "max_attempts": view.max_attempts,
            "timeout_seconds": view.timeout_s,
            "dependency_mode": view.mode,
            "error": view.error,
            "skip_reason": view.skip_reason,
            "dag_run_id": None if view.run_id is None else ids.to_text(view.run_id),
            "claimed_by": view.claimed_by,
            "created_at": to_datetime(view.created_at),
            "started_at": to_datetime(view.started_at),
            "completed_at": to_datetime(view.completed_at),
            "duration_seconds": seconds,
        },
        queue,
    )


def with_status(view: NodeView, status: NodeStatus) -> NodeView:
    """Return the node with another status: that of the sub-DAG behind it."""
    view["status"] = status
    return view
