"""The contract: one frozen type per thing a store can be asked, with its meaning, reply and errors.

A request travels as it is: to an engine in this process, or as a frame to the owner's. `REPLIES`
tells what comes back. A request that fails changes nothing.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

import msgspec

from queuack_store.jobs import (
    ClaimedJob,
    JobResult,
    JobView,
    NewJob,
    NewRun,
    Outcome,
    Thresholds,
)
from queuack_store.observed import Reported, SessionView, Vitals

MAX_BATCH_JOBS = 100_000  # one request is one record is one DuckDB transaction
MAX_BATCH_BYTES = 64 << 20
MAX_PAYLOAD_BYTES = 16 << 20
MAX_CLAIM_JOBS = 1_000
MAX_PAGE_BYTES = 32 << 20  # of results in one reply of many


class Request(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The base of all requests."""


class Enqueue(Request, frozen=True, tag="enqueue"):
    """Store jobs, all or none, and their edges and run with them.

    Reply: `Enqueued`. Raises: BackpressureError (only with `limits`), UnknownJobError (a parent that
    never existed or was purged), InvalidRequestError (over a limit, a duplicate id).
    A run whose `key` was used before stores nothing and names the older run.
    """

    jobs: list[NewJob]
    limits: Thresholds | None = None
    runs: list[NewRun] = []


class Enqueued(msgspec.Struct, frozen=True, array_like=True):
    """`depth` is set when this request crossed the warning threshold; `run_id` when the key was known."""

    depth: int | None = None
    run_id: bytes | None = None


class Claim(Request, frozen=True, tag="claim"):
    """Hand out up to `count` ready jobs of `queues`, the heaviest queue first, waiting up to `wait_s`.

    `queues` holds (name, weight). The first `idle` jobs count as started at once; the rest when the
    worker says so. A batch holds no more than about 20 ms of work (from each task's history).
    `run_id` restricts it to one run and its sub-runs. The claim is lost when the session ends or is
    silent for `claim_timeout_s`. Reply: list of `ClaimedJob`, empty when none came in time.
    """

    queues: list[tuple[str, int]]
    count: int = 1
    idle: int = 1
    wait_s: float = 0.0
    worker_id: str = ""
    claim_timeout_s: float = 300.0
    run_id: bytes | None = None
    ageing_s: float | None = None
    whole: bool = False  # True: exactly up to `count`, however long the jobs take


class Finish(Request, frozen=True, tag="finish"):
    """Report what became of claims and which ones `started` (pairs of job id and claim number).

    Reply: list of (index, error) for the outcomes that were refused: `ClaimLostError` where the claim's
    number is not the current one, `UnknownJobError` where there is no such job. Raises for all of them:
    InvalidRequestError, UnknownJobError (what an outcome adds breaks a limit, or has an unknown parent).
    """

    outcomes: list[Outcome] = []
    started: list[tuple[bytes, int]] = []


class Heartbeat(Request, frozen=True, tag="heartbeat"):
    """Say that the session is alive. Reply: ids of this session's claims that are to be cancelled.

    With `wait_s` the reply waits so long for the first one; a later heartbeat ends the wait.
    """

    wait_s: float = 0.0


class HoldBack(Request, frozen=True, tag="hold_back"):
    """Say why this session's worker claims nothing; a claim or an empty `reason` ends it. Reply: None."""

    queues: list[str]
    worker_id: str
    reason: str


class Verdict(Request, frozen=True, tag="verdict"):
    """Say how a worker that can't speak any more ended, by whoever watched it. Reply: None.

    `claims` and `spared` hold (job id, claim number). Claims that still stand end as failed attempts with
    `error`; those released with their worker's session only get its text and `peak_rss` (bytes). `spared`
    go back unspent where they still stand, and `whole` ends their sessions with all else they hold so.
    """

    claims: list[tuple[bytes, int]]
    error: str
    peak_rss: int | None = None
    spared: list[tuple[bytes, int]] = []
    whole: bool = False


class Wait(Request, frozen=True, tag="wait"):
    """Reply when the job has ended, with `JobResult`. Raises: UnknownJobError."""

    id: bytes


class GetJob(Request, frozen=True, tag="get_job"):
    """Reply: `JobView`, or None where there is no such job."""

    id: bytes


class GetResults(Request, frozen=True, tag="get_results"):
    """Reply: one `JobResult` per id, in order. Raises: UnknownJobError."""

    ids: list[bytes]


class GetParents(Request, frozen=True, tag="get_parents"):
    """Reply: one `JobResult` per parent of the job, in the order given at enqueue."""

    id: bytes


class Stats(Request, frozen=True, tag="stats"):
    """Reply: counts by status, of one queue or of all (None)."""

    queue: str | None = None


class Queues(Request, frozen=True, tag="queues"):
    """Reply: a list of (name, paused, counts by status)."""


class DeadLetters(Request, frozen=True, tag="dead_letters"):
    """Reply: up to `limit` failed jobs, the latest first, of one queue or of all."""

    limit: int = 100
    queue: str | None = None


class Attempts(Request, frozen=True, tag="attempts"):
    """Reply: the job's attempts that have ended, as rows of `job_attempts` (dicts)."""

    id: bytes


class Purge(Request, frozen=True, tag="purge"):
    """Delete ended jobs of `status` that ended at least `older_than_s` ago. Reply: how many.

    Jobs whose children have not all ended stay; attempts, results and edges go with the job.
    """

    queue: str | None = None
    status: str = "done"
    older_than_s: float = 86_400.0


class Retain(Request, frozen=True, tag="retain"):
    """Let jobs of these ended statuses be purged so many seconds after they ended, from now on. Reply: None.

    `ages` is the whole rule, kept in the file: a status that is not in it is kept for ever. Whoever owns the
    file applies it, in small steps, with the limits of `Purge`. Raises: InvalidRequestError.
    """

    ages: dict[str, float]


class Retention(Request, frozen=True, tag="retention"):
    """Reply: the rule that `Retain` set, seconds by status; empty where everything is kept."""


class Retry(Request, frozen=True, tag="retry"):
    """Give ended jobs (failed, cancelled, skipped) a fresh set of attempts; revives what they skipped.

    Without `ids`: all failed jobs, of `queue` or of all. Reply: how many were revived.
    """

    ids: list[bytes] | None = None
    queue: str | None = None


class Cancel(Request, frozen=True, tag="cancel"):
    """Cancel a job that has not ended. Reply: True, or False where it had ended.

    One that is running is told through its worker and ends `cancelled` when that says so.
    """

    id: bytes
    reason: str = "cancelled"


class Pause(Request, frozen=True, tag="pause"):
    """Stop (or, with `paused=False`, resume) handing out a queue's jobs. Durable. Reply: None."""

    queue: str
    paused: bool = True


class Reschedule(Request, frozen=True, tag="reschedule"):
    """Change when, and how urgently, a job that has not started runs. Reply: None.

    Raises: UnknownJobError, InvalidRequestError (it is running or has ended).
    """

    id: bytes
    priority: int | None = None
    delay_s: float | None = None


class Why(Request, frozen=True, tag="why"):
    """Reply: a dict that says exactly why a job is not running."""

    id: bytes


class Sql(Request, frozen=True, tag="sql"):
    """Run one SELECT over the history, as of everything acknowledged before. Reply: `Table`."""

    query: str
    params: list[Any] | dict[str, Any] | None = None
    timeout_s: float = 60.0
    as_file: bool = False


class Table(msgspec.Struct, frozen=True, array_like=True):
    """Rows of a query; a large result is a Parquet file at `path`, which the reader deletes."""

    columns: list[str]
    types: list[str]
    rows: list[Any] = []
    path: str | None = None


class Backup(Request, frozen=True, tag="backup"):
    """Copy the database as of everything acknowledged before, without holding anyone up. Reply: `Copied`.

    `name` is 32 hex digits of the asker's choice: the copy grows as `<name>.db` in the private folder. Its
    asker moves it away. Raises: StorageFullError (no room for a second copy), StorageError.
    """

    name: str


class Export(Request, frozen=True, tag="export"):
    """Write the jobs and attempts that ended in [since, until) as Parquet, by day. Reply: `Copied`.

    The folder `<name>` in the private folder is whole when the reply comes; its asker moves it away.
    """

    name: str
    since: float | None = None
    until: float | None = None


class Copied(msgspec.Struct, frozen=True, array_like=True):
    """What was made, and how many rows of each table it holds."""

    path: str
    rows: dict[str, int]


class Run(Request, frozen=True, tag="run"):
    """Reply: a dict of the run's row and counts by status, or None. `key` finds it by its run key."""

    id: bytes | None = None
    key: str | None = None


class RunJobs(Request, frozen=True, tag="run_jobs"):
    """Reply: the run's jobs as `JobView`, in order of submission."""

    id: bytes


class RunResults(Request, frozen=True, tag="run_results"):
    """Reply: (number, `JobResult`) of the run's jobs in order of submission, from the first after `after`.

    As many as fit into `MAX_PAGE_BYTES` of results, `limit` at most, but one at least; [] at the end.
    """

    id: bytes
    after: int = 0
    limit: int = 10_000


class RunChildren(Request, frozen=True, tag="run_children"):
    """Reply: the sub-runs of a run, as dicts."""

    id: bytes


class WaitRun(Request, frozen=True, tag="wait_run"):
    """Reply when the run has ended, with its status."""

    id: bytes


class CancelRun(Request, frozen=True, tag="cancel_run"):
    """Cancel what has not ended of a run and its sub-runs, in one record. Reply: how many jobs.

    What is running is told through its worker; until that says so the run is `cancelling`.
    Raises: UnknownJobError (no such run).
    """

    id: bytes
    reason: str = "its run was cancelled"


class GetVitals(Request, frozen=True, tag="vitals"):
    """Reply: `Vitals`, a queue's figures: what has ever happened, what waits, what a commit takes."""


class Sessions(Request, frozen=True, tag="sessions"):
    """Reply: the open handles as `SessionView`, in order of their process."""


class Report(Request, frozen=True, tag="report"):
    """Keep how far running jobs are and what they log. Reply: how many entries were this session's claims.

    Progress replaces the attempt's earlier one. Lines are cut to 4,096 characters; those numbered past
    1,001 are dropped. Raises: InvalidRequestError (over 10,000 entries).
    """

    entries: list[Reported]


class GetProgress(Request, frozen=True, tag="get_progress"):
    """Reply: the latest progress of a job as at most one (attempt, updated_at, done, total, message)."""

    id: bytes


class GetLogs(Request, frozen=True, tag="get_logs"):
    """Reply: the job's latest `limit` lines, oldest first, as (attempt, line, logged_at, level, message)."""

    id: bytes
    limit: int = 1_000


REPLIES: dict[type[Request], Any] = {
    Enqueue: Enqueued,
    Claim: list[ClaimedJob],
    Finish: list[tuple[int, tuple[str, str, dict[str, Any]]]],
    Heartbeat: list[bytes],
    HoldBack: None,
    Verdict: None,
    Wait: JobResult,
    GetJob: JobView | None,
    GetResults: list[JobResult],
    GetParents: list[JobResult],
    Stats: dict[str, int],
    Queues: list[tuple[str, bool, dict[str, int]]],
    DeadLetters: list[JobView],
    Attempts: list[dict[str, Any]],
    Purge: int,
    Retain: None,
    Retention: dict[str, float],
    Retry: int,
    Cancel: bool,
    Pause: None,
    Reschedule: None,
    Why: dict[str, Any],
    Sql: Table,
    Backup: Copied,
    Export: Copied,
    Run: dict[str, Any] | None,
    RunJobs: list[JobView],
    RunResults: list[tuple[int, JobResult]],
    RunChildren: list[dict[str, Any]],
    WaitRun: str,
    CancelRun: int,
    GetVitals: Vitals,
    Sessions: list[SessionView],
    Report: int,
    GetProgress: list[tuple[int, float, float, float | None, str | None]],
    GetLogs: list[tuple[int, int, float, str, str]],
}

AnyRequest: Any = reduce(or_, REPLIES)  # the union of all of them
