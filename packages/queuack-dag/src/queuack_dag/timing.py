"""When each node of a run waited and ran, as measured, and the path that decided how long it all took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from queuack_store.clock import to_datetime
from queuack_store.ids import to_text
from queuack_store.requests import RunChildren, Sql
from queuack_worker.facts import facts_of

if TYPE_CHECKING:
    from queuack_dag.standing import Standing

# A sub-DAG or a map counts as the one node that stands for it: from the first start inside to its end.
_FAMILY = """
WITH RECURSIVE family AS (
    SELECT id, id AS top FROM dag_runs WHERE parent_id = $run::UUID
    UNION ALL
    SELECT r.id, f.top FROM family f JOIN dag_runs r ON r.parent_id = f.id
)
"""
_NODES = """
SELECT id::VARCHAR, node_name, status, task, dependency_mode, epoch(created_at), epoch(started_at),
    epoch(completed_at) FROM jobs WHERE dag_run_id = $run::UUID ORDER BY seq
"""
_INSIDE = f"""{_FAMILY}
SELECT f.top::VARCHAR, epoch(min(j.started_at)), max(j.task) FILTER (j.node_name IS NOT NULL)
FROM jobs j JOIN family f ON j.dag_run_id = f.id GROUP BY ALL
"""
_GATES = f"""{_FAMILY}
SELECT DISTINCT f.top::VARCHAR, d.parent_id::VARCHAR
FROM job_dependencies d JOIN jobs c ON c.id = d.child_id JOIN family f ON c.dag_run_id = f.id
JOIN jobs p ON p.id = d.parent_id WHERE p.dag_run_id = $run::UUID
"""
_EDGES = """
SELECT d.child_id::VARCHAR, d.parent_id::VARCHAR
FROM job_dependencies d JOIN jobs c ON c.id = d.child_id JOIN jobs p ON p.id = d.parent_id
WHERE c.dag_run_id = $run::UUID AND p.dag_run_id = $run::UUID
"""


@dataclass(frozen=True, slots=True)
class NodeTiming:
    """When one node waited and ran. Times are aware datetimes in UTC; durations are seconds.

    Attributes:
        name, status: the node's. parents: names of those in the same run.
        ready_at: when its last parent that it had to wait for ended, or the run was submitted.
        started_at, ended_at: of its last attempt; None where that has not come.
        waited: from ready to started: for a worker, a retry, or what it was put off by.
        ran: from started to ended. None where it has not.
        task: its function as "module:qualname"; of a map, the items'.
    """

    name: str
    status: str
    parents: tuple[str, ...]
    ready_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    waited: float | None
    ran: float | None
    task: str

    @property
    def seconds(self) -> float:
        """What it adds to a path that leads through it: waiting and running, as far as known."""
        return (self.waited or 0.0) + (self.ran or 0.0)


@dataclass(slots=True)
class _Row:
    name: str
    status: str
    task: str
    mode: str
    created: float
    started: float | None
    ended: float | None
    parents: list[str]


def timings_of(run: Standing) -> dict[str, NodeTiming]:
    """Return the timings of a run's own nodes by name, in the order in which they were stored."""
    rows = _rows(run)
    return {row.name: _timing(row, rows) for row in rows.values()}


def _rows(run: Standing) -> dict[str, _Row]:
    store, params = run.queue.store, {"run": run.dag_run_id}
    rows = {
        job: _Row(name or job, status, task, mode, created, started, ended, [])
        for job, name, status, task, mode, created, started, ended in store.call(Sql(_NODES, params)).rows
    }
    stands = {}
    for child in store.call(RunChildren(run.raw_id)):
        job = facts_of(child["facts"]).job
        if job is not None:
            stands[to_text(child["id"])] = to_text(job)
    if stands:
        for top, started, task in store.call(Sql(_INSIDE, params)).rows:
            row = rows.get(stands.get(top, ""))
            if row is not None:
                row.task = task or row.task
                if started is not None:
                    row.started = min(started, row.started or started)
        for top, parent in store.call(Sql(_GATES, params)).rows:
            row = rows.get(stands.get(top, ""))
            if row is not None and parent in rows and rows[parent] is not row:
                row.parents.append(parent)
    for child, parent in store.call(Sql(_EDGES, params)).rows:
        if parent not in rows[child].parents:
            rows[child].parents.append(parent)
    return rows


def _timing(row: _Row, rows: Mapping[str, _Row]) -> NodeTiming:
    ready = _ready(row, rows)
    waited = None if ready is None or row.started is None else max(0.0, row.started - ready)
    ran = None if row.started is None or row.ended is None else max(0.0, row.ended - row.started)
    return NodeTiming(
        row.name,
        row.status,
        tuple(rows[parent].name for parent in row.parents),
        to_datetime(ready),
        to_datetime(row.started),
        to_datetime(row.ended),
        waited,
        ran,
        row.task,
    )


def _ready(row: _Row, rows: Mapping[str, _Row]) -> float | None:
    ends = [(rows[parent].ended, rows[parent].status) for parent in row.parents]
    if row.mode == "any" and ends:
        return min((end for end, status in ends if end is not None and status == "done"), default=None)
    if any(end is None for end, _ in ends):
        return None
    return max((end for end, _ in ends if end is not None), default=row.created)


def measured_path(timings: Mapping[str, NodeTiming]) -> list[NodeTiming]:
    """Return the nodes of which each was what the next one waited for, up to the last to end."""
    ended = [one for one in timings.values() if one.ended_at is not None and one.started_at is not None]
    if not ended:
        return []
    path = [max(ended, key=lambda one: (one.ended_at, one.started_at))]
    while True:
        held = [timings[parent] for parent in path[-1].parents if timings[parent].ended_at is not None]
        held = [one for one in held if one.ended_at == path[-1].ready_at]
        if not held:
            return path[::-1]
        path.append(held[0])


def longest(timings: Mapping[str, NodeTiming], seconds: Mapping[str, float]) -> float:
    """Return the length of the longest path, where each node takes as long as given (else nothing)."""
    lengths: dict[str, float] = {}
    left = list(timings)
    while left:
        name = left[-1]
        open_ = [parent for parent in timings[name].parents if parent not in lengths]
        if open_:
            left += open_
            continue
        left.pop()
        above = max((lengths[parent] for parent in timings[name].parents), default=0.0)
        lengths[name] = above + seconds.get(name, 0.0)
    return max(lengths.values(), default=0.0)
