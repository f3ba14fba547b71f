"""Changing what is stored: purge, retry, cancel, pause, and when or how urgently a job runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from queuack_store import names
from queuack_store.calls import Handle, Pending, answered, raw_id
from queuack_store.requests import Cancel, Pause, Purge, Reschedule, Retain, Retention, Retry
from queuack_store.states import DONE
from queuack_store.views import Job

Age = float | str | timedelta


class Managing(Handle):
    """The part of a queue for whoever looks after it."""

    @answered("int")
    def purge(
        self, queue: str | None = None, status: str = DONE, older_than_hours: float = 24
    ) -> Pending[int]:
        """Delete jobs of one ended status that ended at least so many hours ago; return how many.

        Of one queue, or of all (None). Their results, attempts and edges go with them; a job whose
        children have not all ended stays.
        """
        age = names.seconds(older_than_hours, "older_than_hours") * 3_600
        name = None if queue is None else names.queue_name(queue)
        return Pending(Purge(name, names.ended_status(status), age), int)

    @answered("None")
    def set_retention(self, ages: Mapping[str, Age | None]) -> Pending[None]:
        """Let the owner purge jobs of ended statuses by itself, so long after their end, from now on.

        ages: by status, seconds, a timedelta, or text such as "90s", "12h", "7d", "2w". It is the whole
        rule and kept in the file: a status without an age is kept for ever, `{}` keeps everything. What is
        due goes within a hundredth of its age (1 to 60 s) and as `purge` does it: a job whose children
        have not all ended stays until they have.

        Raises:
            InvalidRequestError: a status in which jobs do not end, or no age of more than 0.
        """
        return Pending(Retain(names.retention(ages)), _nothing)

    @answered("dict[str, timedelta]")
    def retention(self) -> Pending[dict[str, timedelta]]:
        """Return how long jobs are kept after their end, by status; one not named is kept for ever."""
        return Pending(Retention(), lambda ages: {s: timedelta(seconds=age) for s, age in ages.items()})

    @answered("None")
    def retry_job(self, job_id: str | Job) -> Pending[None]:
        """Give a failed, cancelled or skipped job a fresh set of attempts.

        Descendants that were skipped because of it come back with it; a job that another parent still
        keeps from running stays as it is.

        Raises:
            UnknownJobError: no such job. InvalidRequestError: it has not ended, or is done.
        """
        return Pending(Retry([raw_id(job_id)]), _nothing)

    @answered("int")
    def retry_jobs(self, job_ids: Iterable[str | Job]) -> Pending[int]:
        """Retry several jobs as `retry_job` does, in one step: all or none; return how many came back."""
        return Pending(Retry([raw_id(job) for job in job_ids]), int)

    @answered("int")
    def retry_all(self, queue: str | None = None) -> Pending[int]:
        """Retry all failed jobs of one queue, or of all (None); return how many came back."""
        return Pending(Retry(None, None if queue is None else names.queue_name(queue)), int)

    @answered("bool")
    def cancel(self, job_id: str | Job, reason: str = "cancelled") -> Pending[bool]:
        """Cancel a job; False where it had ended already.

        One that is running is told so through its worker and ends `cancelled` when that says so.

        Raises:
            UnknownJobError: no such job.
        """
        return Pending(Cancel(raw_id(job_id), str(reason)), bool)

    @answered("None")
    def pause(self, queue: str | None = None) -> Pending[None]:
        """Hand out no more jobs of a queue until `resume`; survives restarts. Running jobs go on."""
        return Pending(Pause(self._queue(queue), True), _nothing)

    @answered("None")
    def resume(self, queue: str | None = None) -> Pending[None]:
        """Hand out a paused queue's jobs again."""
        return Pending(Pause(self._queue(queue), False), _nothing)

    @answered("None")
    def reprioritize(self, job_id: str | Job, priority: int) -> Pending[None]:
        """Change how urgent (0 to 100) a job is that has not started.

        Raises:
            UnknownJobError: no such job. InvalidRequestError: it is running or has ended.
        """
        return Pending(Reschedule(raw_id(job_id), priority=names.priority(priority)), _nothing)

    @answered("None")
    def reschedule(self, job_id: str | Job, delay_seconds: float | timedelta = 0) -> Pending[None]:
        """Hold a job that has not started back for so many seconds from now; 0 makes it ready.

        Raises:
            UnknownJobError: no such job. InvalidRequestError: it is running or has ended.
        """
        delay = names.seconds(delay_seconds, "delay_seconds")
        return Pending(Reschedule(raw_id(job_id), delay_s=delay), _nothing)


def _nothing(_reply: object) -> None:
    return None
