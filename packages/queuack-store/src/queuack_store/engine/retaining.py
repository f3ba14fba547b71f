"""A duty of the engine: jobs that ended long enough ago are purged, as the file's rule says, in small steps.

A step asks the rows for a few thousand that may go, purges them, and asks for more when those are applied;
nothing waits for it. When none is left, the oldest that stays says when there will be more to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queuack_store.engine.handlers.administering import purge_rows
from queuack_store.engine.reads import ReadQuery

if TYPE_CHECKING:
    from queuack_store.engine.core import Core

STEP_JOBS = 5_000  # purged in one record: a few milliseconds of a cycle
STEP_S = 0.05  # between two steps
AGAIN_S = 60.0  # after a step that failed
MIN_SPACING_S, MAX_SPACING_S = 1.0, 60.0  # jobs that come due one by one go together
SPACING_SHARE = 0.01  # of the age: how much later than due a job may go
BLOCKED_S = 3_600.0  # when to look again for those that only wait for their children's end


class Retaining:
    """Purges what is over its age."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._rule: dict[str, float] = {}
        self._due: dict[str, float] = {}  # by status: when to look; not there: nothing has ended
        self._busy = False

    def see_to_it(self) -> float | None:
        """Begin what is due now; return when there will be more to do, None where nothing is known of."""
        core, rule = self._core, self._core.state.retained
        if rule is not self._rule:
            self._rule, self._due = rule, dict.fromkeys(rule, core.now)
        if not rule or self._busy:
            return None
        for status, age in rule.items():
            if status not in self._due and self._count(status):
                self._due[status] = core.now + age  # the first of them has just ended
        if not self._due:
            return None
        status = min(self._due, key=lambda status: self._due[status])
        if self._due[status] <= core.now:
            self._step(status, rule[status])
            return None
        return self._due[status]

    def _count(self, status: str) -> int:
        return sum(queue.counts.get(status, 0) for queue in self._core.state.queues.values())

    def _step(self, status: str, age: float) -> None:
        core = self._core
        self._busy = True
        before = core.now - age
        params = {"queue": None, "status": status, "before": before, "limit": STEP_JOBS}

        def found(rows: Any) -> None:
            self._busy = False
            if isinstance(rows, BaseException):
                self._due[status] = core.now + AGAIN_S
                return
            purge_rows(core, status, rows)
            if len(rows) == STEP_JOBS:
                self._due[status] = core.now + STEP_S
            else:
                self._look_ahead(status, age, before)

        core.lookup.read(ReadQuery("purge_candidates", params, core.draft.cycle - 1), found)

    def _look_ahead(self, status: str, age: float, after: float) -> None:
        """Find out when the next one is due."""
        core = self._core
        self._busy = True

        def found(rows: Any) -> None:
            self._busy = False
            if isinstance(rows, BaseException):
                self._due[status] = core.now + AGAIN_S
            elif rows[0] is not None:
                spacing = min(max(MIN_SPACING_S, SPACING_SHARE * age), MAX_SPACING_S)
                self._due[status] = max(rows[0] + age, core.now + spacing)
            elif self._count(status):
                self._due[status] = core.now + min(age, BLOCKED_S)
            else:
                self._due.pop(status, None)

        core.lookup.read(
            ReadQuery("next_ended", {"status": status, "after": after}, core.draft.cycle - 1),
            found,
            pin=False,
        )
