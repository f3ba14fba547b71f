"""How a run and its nodes stand, in the words of DAGs, and how they follow from the jobs' states."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from queuack_store.states import JobStatus


class NodeStatus(StrEnum):
    """Where a node is. PENDING waits for parents; READY waits for a worker, or for its time."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class DAGRunStatus(StrEnum):
    """Where a run is. PENDING: nothing of it has started or ended."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OF_JOB: dict[str, NodeStatus] = {
    JobStatus.WAITING.value: NodeStatus.PENDING,
    JobStatus.PENDING.value: NodeStatus.READY,
    JobStatus.DELAYED.value: NodeStatus.READY,
    JobStatus.CLAIMED.value: NodeStatus.RUNNING,
    JobStatus.DONE.value: NodeStatus.DONE,
    JobStatus.FAILED.value: NodeStatus.FAILED,
    JobStatus.SKIPPED.value: NodeStatus.SKIPPED,
    JobStatus.CANCELLED.value: NodeStatus.CANCELLED,
}
ENDED = frozenset({DAGRunStatus.DONE, DAGRunStatus.FAILED, DAGRunStatus.CANCELLED})


def of_run(stored: str) -> DAGRunStatus:
    """Return a run's status; one that is `cancelling` still runs."""
    return DAGRunStatus.RUNNING if stored == "cancelling" else DAGRunStatus(stored)


class Progress(dict[str, int]):
    """How many nodes are in each `NodeStatus`; every status is there, and the values add up to all nodes.

    A job's own words for it serve as well: `claimed` reads `running`, `waiting` reads `pending`.
    """

    def __missing__(self, key: str) -> int:
        if key in _JOB_WORDS:
            return self[_JOB_WORDS[key]]
        raise KeyError(key)

    def get(self, key: str, default: int = 0) -> int:  # type: ignore[override]
        """Return a count, or `default` where there is no such status."""
        try:
            return self[key]
        except KeyError:
            return default


_JOB_WORDS = {"claimed": "running", "waiting": "pending"}


def progress_of(counts: dict[str, int]) -> Progress:
    """Return the progress that counts by job status give."""
    progress = counted(())
    for status, count in counts.items():
        progress[OF_JOB[status].value] += count
    return progress


def counted(nodes: Iterable[NodeStatus]) -> Progress:
    """Return the progress of nodes that stand so."""
    progress = Progress((status.value, 0) for status in NodeStatus)
    for status in nodes:
        progress[status.value] += 1
    return progress
