"""How long a run will still take, from earlier runs of the same DAG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING

from queuack_store.clock import to_datetime
from queuack_store.requests import Sql

from queuack_dag.status import ENDED
from queuack_dag.timing import NodeTiming, longest, timings_of

if TYPE_CHECKING:
    from queuack_dag.standing import Standing

MAX_RUNS = 10  # earlier runs that count: the latest

_EARLIER = """
SELECT id::VARCHAR, epoch(completed_at) - epoch(created_at) FROM dag_runs
WHERE name = $name AND status = 'done' AND id <> $run::UUID
    AND (parent_id IS NULL) = (SELECT parent_id IS NULL FROM dag_runs WHERE id = $run::UUID)
ORDER BY created_at DESC LIMIT $limit
"""


@dataclass(frozen=True, slots=True)
class Eta:
    """When a run is expected to end.

    Attributes:
        seconds: from now; 0 where it has ended, None where nothing is known.
        at: an aware datetime in UTC, or None.
        runs: how many earlier runs it rests on.
    """

    seconds: float | None
    at: datetime | None
    runs: int


def eta_of(run: Standing, now: float) -> Eta:
    """Return the forecast as of `now`, in seconds since the epoch.

    The longest path of what is left, each node as long as the median of earlier runs, and stretched as
    these took longer than their own longest path: few workers make nodes wait for each other.
    """
    info = run.info()
    if run.get_status() in ENDED:
        return Eta(0.0, to_datetime(info["completed_at"]), 0)
    params = {"name": info["name"], "run": run.dag_run_id, "limit": MAX_RUNS}
    earlier = [
        (timings_of(type(run)(run.queue, run_id)), float(total))
        for run_id, total in run.queue.store.call(Sql(_EARLIER, params)).rows
    ]
    if not earlier:
        return Eta(None, None, 0)
    ran: dict[str, list[float]] = {}
    stretches = []
    for timings, total in earlier:
        took = {name: one.ran for name, one in timings.items() if one.ran is not None}
        for name, seconds in took.items():
            ran.setdefault(name, []).append(seconds)
        length = longest(timings, took)
        if length > 0:
            stretches.append(max(1.0, total / length))
    usual = {name: median(seconds) for name, seconds in ran.items()}
    current = timings_of(run)
    left = longest(current, _left(current, usual, now)) * (median(stretches) if stretches else 1.0)
    return Eta(left, to_datetime(now + left), len(earlier))


def _left(current: Mapping[str, NodeTiming], usual: Mapping[str, float], now: float) -> dict[str, float]:
    other = median(usual.values()) if usual else 0.0  # of a node that no earlier run had
    left = {}
    for name, one in current.items():
        if one.ended_at is not None:
            continue
        seconds = usual.get(name, other)
        if one.started_at is not None:
            seconds = max(0.0, seconds - (now - one.started_at.timestamp()))
        left[name] = seconds
    return left
