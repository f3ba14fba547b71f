"""What the supervisor tells the engine about jobs in a child that can't speak for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from queuack_store.errors import QueuackError
from queuack_store.requests import Attempts, GetJob, GetResults, Verdict
from queuack_store.states import CLAIMED, FAILED

from queuack_worker.events import log
from queuack_worker.hooks import JobEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from queuack_store.jobs import JobResult, JobView
    from queuack_store.store import Store

    from queuack_worker.board import Running

PATIENCE_S = 5.0


def report(
    store: Store,
    culprits: Sequence[Running],
    error: str,
    peak_rss: int | None,
    spared: Sequence[Running] | None = None,
) -> None:
    """Say why `culprits` ended; with `spared`, these and all else that their process holds go back unspent.

    Only a service: that the attempts are counted does not depend on it.
    """
    claims, beside = ([(row.id, row.claim) for row in rows] for rows in (culprits, spared or ()))
    try:
        store.call(Verdict(claims, error, peak_rss, beside, spared is not None), PATIENCE_S)
    except QueuackError as failed:
        log.warning("the verdict on %d jobs could not be stored: %s", len(culprits), failed)


def to_be_cancelled(store: Store, running: Sequence[Running]) -> bool:
    """Return whether one of these jobs is to be cancelled."""
    try:
        found: list[JobResult] = store.call(GetResults([row.id for row in running]), PATIENCE_S)
    except QueuackError as failed:
        log.warning("a silent process could not be asked after: %s", failed)
        return False
    return any(job.status == CLAIMED and job.skip_reason is not None for job in found)


def told_of_dead(store: Store, running: Sequence[Running]) -> list[dict[str, Any]]:
    """Return what hooks are to be told of jobs whose process died without a word about them.

    A job that the process itself had reported before it ended is not among them.
    """
    found = []
    for row in running:
        try:
            view: JobView | None = store.call(GetJob(row.id), PATIENCE_S)
            attempts = store.call(Attempts(row.id), PATIENCE_S)
        except QueuackError as failed:
            log.warning("the hooks are not told of a job that died: %s", failed)
            continue
        mine = [a for a in attempts if a["claim"] == row.claim and a["outcome"] in ("died", "lost")]
        if view is None or not mine:
            continue
        event = JobEvent(
            view.id,
            view.task,
            view.queue,
            mine[0]["attempt"],
            view.max_attempts,
            view.run_id,
            view.node_name,
            mine[0]["error"],
        )
        found.append({"event": msgspec.structs.asdict(event), "dead": view.status == FAILED})
    return found
