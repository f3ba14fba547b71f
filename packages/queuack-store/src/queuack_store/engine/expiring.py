"""A duty of the engine: a job that has not started when its time is over is skipped, and who waits is told.

Memory knows when the next one may be due (`State.expiry_due`); which ones are is asked of the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queuack_store.engine.handlers.endings import EXPIRED, end, need_children
from queuack_store.engine.reads import ReadQuery
from queuack_store.engine.state import NEVER
from queuack_store.states import DELAYED, PENDING, WAITING

if TYPE_CHECKING:
    from queuack_store.engine.core import Core

MAX_EXPIRING = 2_000  # jobs skipped in one record
SPACING_S = 0.05  # between two looks at the rows: what ends meanwhile is skipped together
AGAIN_S = 60.0  # after a look that failed


class Expiring:
    """Looks for jobs that have expired when one may have."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._looking = False
        self._not_before = 0.0

    def see_to_it(self) -> float | None:
        """Begin what is due now; return when there will be more to do, None where nothing is known of."""
        core, state = self._core, self._core.state
        if self._looking or state.expiry_due == NEVER:
            return None
        due = max(state.expiry_due, self._not_before)
        if due > core.now:
            return due
        self._looking = True
        # The rows will not show yet what this very cycle changes.
        fresh = (job.expires_at for job in core.draft.changed() if job.expires_at is not None)
        state.expiry_due = min(fresh, default=NEVER)
        read = ReadQuery("expiring", {"limit": MAX_EXPIRING}, core.draft.cycle - 1)
        core.lookup.read(read, self._found, pin=False)
        return None

    def _found(self, rows: Any) -> None:
        core, state = self._core, self._core.state
        self._looking = False
        self._not_before = core.now + SPACING_S
        if isinstance(rows, BaseException):
            self._not_before, state.expiry_due = core.now + AGAIN_S, core.now
            return
        due = [job_id for job_id, at in rows if at <= core.now]
        if len(due) < len(rows):
            state.expiry_due = min(state.expiry_due, rows[len(due)][1])
        elif len(rows) == MAX_EXPIRING:
            state.expiry_due = core.now
        if due:
            core.run(None, lambda: self._skip(due))

    def _skip(self, due: list[bytes]) -> None:
        """Skip those that have not started since the rows were read."""
        core = self._core
        jobs = [
            job for job in core.lookup.jobs(due, strict=False) if job.status in (PENDING, DELAYED, WAITING)
        ]
        need_children(core, jobs, deep=True)
        for job in jobs:
            if job.status in (PENDING, DELAYED, WAITING):  # not behind another of them
                end(core, job, "skip", EXPIRED)
