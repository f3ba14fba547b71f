"""What the engine holds in memory of a job, a queue, a run and a session."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

from queuack_store.engine.changes import JobState
from queuack_store.engine.window import Window
from queuack_store.jobs import JobView, NewJob, NewRun, SessionInfo, StoredJob
from queuack_store.states import CANCELLED, DONE, ENDED, FAILED

if TYPE_CHECKING:
    from collections.abc import Callable

    from queuack_store.engine.tallies import Tally

CANCELLING = "cancelling"  # of a run: cancelled, but some of its jobs are still being stopped


class Queue:
    """One queue: its ready jobs in order, and how many jobs it has in each state."""

    __slots__ = ("counts", "name", "paused", "tallies", "warned", "window")

    def __init__(self, name: str, new_window: Callable[[Queue], Window[Job]]) -> None:
        self.name = name
        self.window = new_window(self)
        self.counts: dict[str, int] = {}
        self.tallies: dict[str, Tally] = {}  # where the jobs of each task are counted
        self.paused = False
        self.warned = False  # above the warning threshold: one warning per crossing


class Run:
    """One unfinished run of a DAG; `counts` include the jobs of its sub-runs."""

    __slots__ = ("counts", "created_at", "cycle", "parent", "spec", "status", "window")

    def __init__(self, spec: NewRun, created_at: float, parent: Run | None) -> None:
        # Its facts may be megabytes; who asks for them gets them from DuckDB.
        self.spec = msgspec.structs.replace(spec, facts=b"") if spec.facts else spec
        self.created_at = created_at
        self.parent = parent
        self.counts: dict[str, int] = {}
        self.status = "pending"
        self.cycle = -1  # the last cycle that changed its status
        self.window: Window[Job] | None = None  # its ready jobs, where somebody claims from this run alone

    def set_back(self, status: str, cycle: int) -> None:
        """Take a change of its status back."""
        self.status, self.cycle = status, cycle

    @property
    def ended(self) -> bool:
        """Return whether every job of the run has ended."""
        return self.status in ENDED

    def verdict(self) -> str:
        """Return the status that the counts give: a cancellation stays one, else running, done or failed."""
        counts = self.counts
        live = any(n for status, n in counts.items() if status not in ENDED)
        if self.status in (CANCELLING, CANCELLED):
            return CANCELLING if live else CANCELLED
        if live:
            return "running"
        return FAILED if counts.get(FAILED) or counts.get(CANCELLED) else DONE


class Session:
    """One open handle, and the claims that stand or fall with it."""

    __slots__ = (
        "answers", "claims", "closed_at", "heard_at", "held_back", "info", "lease_s", "low", "orphan",
        "queues", "watch", "worker",
    )  # fmt: skip

    def __init__(self, info: SessionInfo, now: float) -> None:
        self.info = info
        self.claims: dict[bytes, Job] = {}
        self.heard_at = now
        self.lease_s = 300.0  # until a claim says otherwise: one from before a takeover may be held
        self.answers: dict[int, bytes] = {}
        self.low = 0  # the lowest request whose answer is still awaited
        self.closed_at: float | None = None
        self.orphan = False  # known from before a takeover, not reconnected yet
        self.queues: frozenset[str] = frozenset()  # what its last waiting claim listened to
        self.held_back = ""  # why its worker claims nothing
        self.worker = ""  # the label of its latest claim
        self.watch: Any = None  # a heartbeat that waits for a cancellation


class Job:
    """One job in memory: the sender's description and the changing part of its row."""

    __slots__ = (
        "attempts",
        "children",
        "claim",
        "claimed_at",
        "claimed_by",
        "completed_at",
        "created_at",
        "cycle",
        "error",
        "execute_after",
        "expires_at",
        "fed",
        "id",
        "kept",
        "max_attempts",
        "priority",
        "queue",
        "result",
        "result_known",
        "run",
        "seq",
        "session",
        "skip_reason",
        "spec",
        "started_at",
        "status",
        "suspect",
        "traceback",
        "waiting_on",
    )

    def __init__(self, spec: NewJob, seq: int, queue: Queue, run: Run | None, now: float) -> None:
        self.spec = spec
        self.id = spec.id
        self.seq = seq
        self.queue = queue
        self.run = run
        self.status = "new"
        self.priority = spec.priority
        self.created_at = now
        self.execute_after: float | None = None
        self.max_attempts = spec.max_attempts
        self.attempts = 0
        self.claim = 0
        self.claimed_by: str | None = None
        self.session: bytes | None = None
        self.claimed_at: float | None = None
        self.started_at: float | None = None
        self.completed_at: float | None = None
        self.waiting_on = 0
        self.error: str | None = None
        self.skip_reason: str | None = None  # of a claimed job: it is to be cancelled, and why
        self.suspect = False  # was in the hands of a worker that died: handed out alone next time
        self.expires_at: float | None = None if spec.expires_s is None else now + spec.expires_s
        self.children: list[bytes] | None = None
        self.fed: list[bytes] | None = None  # parents that came after it, where it was not loaded since
        self.cycle = -1  # the last cycle that changed it
        self.kept = False  # a waiting job that stays in memory
        self.result: bytes | None = None
        self.traceback: str | None = None
        self.result_known = True  # False: it ended before it was loaded; the result is on disk

    def __lt__(self, other: Job) -> bool:
        # A window may still hold an entry of a job that was forgotten and read again: a tie under one
        # key, in which any order will do, for only one of the two objects is live.
        return False

    @classmethod
    def load(cls, row: StoredJob, queue: Queue, run: Run | None) -> Job:
        """Make the job of a stored row."""
        job = cls(row.spec, row.seq, queue, run, row.created_at)
        job.restore(state_of_row(row))
        job.expires_at = row.expires_at
        job.children = list(row.children) or None
        job.result_known = row.status not in ENDED
        return job

    def parents(self) -> tuple[bytes, ...]:
        """Return the ids of all its parents, those that came after it last."""
        parents = self.spec.parents
        return (*parents, *self.fed) if self.fed else parents

    def image(self) -> JobState:
        """Return the changing part, as it is now."""
        return JobState(
            self.seq,
            self.status,
            self.priority,
            self.execute_after,
            self.attempts,
            self.claim,
            self.claimed_by,
            self.session,
            self.claimed_at,
            self.started_at,
            self.completed_at,
            self.waiting_on,
            self.error,
            self.skip_reason,
            self.suspect,
            self.max_attempts,
        )

    def restore(self, image: JobState) -> None:
        """Set the changing part back to an image."""
        self.status = sys.intern(image.status)  # statuses are compared by identity
        self.priority = image.priority
        self.execute_after = image.execute_after
        self.attempts = image.attempts
        self.claim = image.claim
        self.claimed_by = image.claimed_by
        self.session = image.session
        self.claimed_at = image.claimed_at
        self.started_at = image.started_at
        self.completed_at = image.completed_at
        self.waiting_on = image.waiting_on
        self.error = image.error
        self.skip_reason = image.skip_reason
        self.suspect = image.suspect
        self.max_attempts = image.max_attempts

    def view(self) -> JobView:
        """Return what `get_job` shows."""
        spec = self.spec
        return JobView(
            id=self.id,
            seq=self.seq,
            queue=self.queue.name,
            task=spec.task,
            status=self.status,
            priority=self.priority,
            created_at=self.created_at,
            execute_after=self.execute_after,
            claimed_at=self.claimed_at,
            claimed_by=self.claimed_by,
            started_at=self.started_at,
            completed_at=self.completed_at,
            attempts=self.attempts,
            max_attempts=self.max_attempts,
            timeout_s=spec.timeout_s,
            error=self.error,
            skip_reason=self.skip_reason,
            node_name=spec.node_name,
            run_id=spec.run_id,
            mode=spec.mode,
            waiting_on=self.waiting_on,
            expires_at=self.expires_at,
            tags=spec.tags,
            retry=spec.retry,
        )


def state_of_row(row: StoredJob) -> JobState:
    """Return the changing part of a stored row."""
    return JobState(
        row.seq,
        row.status,
        row.priority,
        row.execute_after,
        row.attempts,
        row.claim,
        row.claimed_by,
        row.session,
        row.claimed_at,
        row.started_at,
        row.completed_at,
        row.waiting_on,
        row.error,
        row.skip_reason,
        row.suspect,
        row.max_attempts,
    )
