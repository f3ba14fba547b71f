"""Cancelling a run of a DAG as a whole: its jobs and those of its sub-runs, in one record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queuack_store import ids
from queuack_store.engine.entries import CANCELLING, Run
from queuack_store.engine.handlers.administering import cancel_job
from queuack_store.engine.handlers.endings import need_children
from queuack_store.engine.reads import ReadQuery
from queuack_store.engine.state import lineage
from queuack_store.errors import UnknownJobError
from queuack_store.requests import CancelRun
from queuack_store.states import ENDED

if TYPE_CHECKING:
    from queuack_store.engine.core import Core
    from queuack_store.engine.inbox import Ask


def cancel_run(core: Core, ask: Ask) -> Any:
    """Answer `CancelRun`."""
    request: CancelRun = ask.request
    core.lookup.runs([request.id])
    run = core.state.runs.get(request.id)
    if run is None:
        text = ids.to_text(request.id)
        raise UnknownJobError(f"there is no run {text}: it never existed or was purged", id=text)
    if run.ended:
        return 0

    def live_came(wanted: list[bytes]) -> None:
        core.run(ask, lambda: _cancel(core, run, wanted, request.reason))

    read = ReadQuery("run_live_ids", {"id": request.id}, core.draft.cycle - 1)
    core.lookup.read(read, live_came, ask)
    return core.PARKED


def _cancel(core: Core, run: Run, wanted: list[bytes], reason: str) -> int:
    jobs = [job for job in core.lookup.jobs(wanted, strict=False) if job.status not in ENDED]
    need_children(core, jobs, deep=True)
    for part in core.state.runs.values():
        if not part.ended and run in lineage(part):
            core.draft.touch_run(part)
            part.status = CANCELLING
    count = 0
    # The last first: a child is cancelled itself, before its parent's end would skip it.
    for job in sorted(jobs, key=lambda job: -job.seq):
        count += cancel_job(core, job, reason)
    return count
