"""What running jobs say of themselves: how far they are, and what they logged."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from queuack_store import names
from queuack_store.calls import Handle, Pending, answered, raw_id
from queuack_store.observed import MAX_LINES
from queuack_store.requests import GetLogs, GetProgress
from queuack_store.views import Job

MAX_LISTED = 1_000_000


class JobProgress(msgspec.Struct, frozen=True):
    """How far a job said it was.

    Attributes:
        done, total: in units of the job's own; `total` is None where it gave none.
        message: what it is doing, or None. attempt: 1 for the first.
        updated_at: when the owner heard of it, an aware datetime in UTC.
    """

    done: float
    total: float | None
    message: str | None
    attempt: int
    updated_at: datetime

    @property
    def fraction(self) -> float | None:
        """`done / total`, from 0 to 1; None where the job gave no total."""
        return None if not self.total else min(1.0, max(0.0, self.done / self.total))


class JobLog(msgspec.Struct, frozen=True):
    """One line that a job logged.

    Attributes:
        message: its text. level: "debug", "info", "warning", "error" or "critical".
        logged_at: by its worker's clock, an aware datetime in UTC.
        attempt: 1 for the first. line: its number within the attempt, from 1.
    """

    message: str
    level: str
    logged_at: datetime
    attempt: int
    line: int


class Following(Handle):
    """The part of a queue that shows what jobs report while they run, and keep afterwards."""

    @answered("JobProgress | None")
    def get_progress(self, job_id: str | Job) -> Pending[JobProgress | None]:
        """Return how far a job said it was, in its latest attempt that said so; None where none did."""

        def finish(rows: list[tuple[int, float, float, float | None, str | None]]) -> JobProgress | None:
            for attempt, at, done, total, message in rows:
                return JobProgress(done, total, message, attempt, datetime.fromtimestamp(at, UTC))
            return None

        return Pending(GetProgress(raw_id(job_id)), finish)

    @answered("list[JobLog]")
    def get_logs(self, job_id: str | Job, limit: int = MAX_LINES) -> Pending[list[JobLog]]:
        """List the latest `limit` lines that a job logged through its context, oldest first."""

        def finish(rows: list[tuple[int, int, float, str, str]]) -> list[JobLog]:
            return [
                JobLog(text, level, datetime.fromtimestamp(at, UTC), attempt, line)
                for attempt, line, at, level, text in rows
            ]

        return Pending(GetLogs(raw_id(job_id), names.whole(limit, "limit", 1, MAX_LISTED)), finish)
