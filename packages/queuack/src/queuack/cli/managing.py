"""`retry`, `cancel`, `purge`, `pause` and `resume`: changing what is there."""

from __future__ import annotations

from typing import Annotated

import typer
from queuack_store.states import JobStatus

from queuack.cli import output
from queuack.cli.exits import CommandError
from queuack.cli.opening import opened
from queuack.cli.options import DEFAULT_DB, AsJson, Db, Queue, seconds_of

QueueArgument = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.")]


def retry(
    job_ids: Annotated[list[str] | None, typer.Argument(metavar="JOB", help="Jobs, by their ids.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All failed jobs, of --queue if given.")] = False,
    queue_name: Queue = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Give failed, cancelled or skipped jobs a fresh set of attempts, and those skipped because of them."""
    if bool(job_ids) == every:
        raise CommandError("say which: `queuack retry JOB…`, or `queuack retry --all [--queue QUEUE]`")
    if queue_name is not None and not every:
        raise CommandError("--queue goes with --all; a job is found by its id alone")
    with opened(db) as queue:
        count = queue.retry_jobs(job_ids) if job_ids else queue.retry_all(queue_name)
    _tell(as_json, "retried", count, f"{output.counted(count, 'job')} came back")


def cancel(
    job_ids: Annotated[list[str], typer.Argument(metavar="JOB", help="Jobs, by their ids.")],
    reason: Annotated[str, typer.Option("--reason", "-r", help="What `show` will say.")] = "cancelled",
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Cancel jobs. One that is running is told through its worker; one that has ended stays as it is."""
    with opened(db) as queue:
        count = sum(queue.cancel(job, reason) for job in job_ids)
    ended = len(job_ids) - count
    _tell(as_json, "cancelled", count, f"{count:,} cancelled" + (f", {ended:,} had ended" if ended else ""))


def purge(
    state: Annotated[
        JobStatus, typer.Option("--state", "--status", "-s", help="done, failed, skipped or cancelled.")
    ] = JobStatus.DONE,
    older: Annotated[str, typer.Option("--older", help="That ended so long ago: 0, 2h, 7d.")] = "24h",
    queue_name: Queue = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Delete jobs that have ended, with results and attempts. By default those done for more than a day."""
    with opened(db) as queue:
        count = queue.purge(queue_name, state.value, seconds_of(older) / 3_600)
    _tell(as_json, "purged", count, f"{output.counted(count, f'{state.value} job')} deleted")


def pause(queue_name: QueueArgument = "default", db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Hand out no more jobs of a queue until `resume`. Running jobs go on."""
    with opened(db) as queue:
        queue.pause(queue_name)
    _tell(as_json, "paused", queue_name, f"queue {queue_name} is paused")


def resume(queue_name: QueueArgument = "default", db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Hand out a paused queue's jobs again."""
    with opened(db) as queue:
        queue.resume(queue_name)
    _tell(as_json, "resumed", queue_name, f"queue {queue_name} goes on")


def _tell(as_json: bool, name: str, value: int | str, text: str) -> None:
    output.print_json({name: value}) if as_json else output.say(text)
