"""All that the engine knows, and the few steps that keep its parts in agreement.

Every change of a job's status goes through `move`: it asks the table in states.py, keeps the counters
of the job's queue and runs, and notes the job in the draft. Memory holds the jobs that are in a window,
claimed or kept waiting, and those changed since the applier last caught up (the overlay).
"""

from __future__ import annotations

from collections.abc import Iterable

from queuack_store.engine.changes import JobState
from queuack_store.engine.draft import Draft
from queuack_store.engine.entries import Job, Queue, Run, Session
from queuack_store.engine.tallies import BY_STATUS, ENQUEUED, Cells, Tallies
from queuack_store.engine.window import Key, Load, Window
from queuack_store.jobs import StoredJob
from queuack_store.states import CLAIMED, DELAYED, ENDED, PENDING, WAITING, after

MAX_UNEXPLAINED = 1_000  # a verdict follows its death within moments
NEVER = float("inf")
MAX_KEPT_WAITING = 100_000  # waiting jobs that stay in memory; the others are fetched when a parent ends


class Missing(Exception):
    """A request needs jobs or runs that are on disk only; it is tried again when they have been read."""

    def __init__(self, jobs: Iterable[bytes] = (), runs: Iterable[bytes] = (), key: str = "") -> None:
        super().__init__()
        self.jobs = list(jobs)
        self.runs = list(runs)
        self.key = key


def ready_key(job: Job) -> Key:
    """Return the place of a ready job in its queue: higher priority first, then first in, first out."""
    return (-job.priority, job.seq)


def delay_key(job: Job) -> Key:
    """Return the place of a delayed job: soonest first, in whole microseconds, as DuckDB keeps them."""
    return (microseconds(job.execute_after), job.seq)


def microseconds(at: float | None) -> int:
    """Return a time as DuckDB's TIMESTAMP holds it."""
    return round((at or 0.0) * 1_000_000)


def _ready_entry(job: Job, key: Key) -> bool:
    return job.status is PENDING and job.priority == -key[0]


def _delay_entry(job: Job, key: Key) -> bool:
    return job.status is DELAYED and microseconds(job.execute_after) == key[0]


def _payload_size(job: Job) -> int:
    return len(job.spec.payload)


class State:
    """The engine's memory."""

    def __init__(self) -> None:
        self.jobs: dict[bytes, Job] = {}
        self.queues: dict[str, Queue] = {}
        self.runs: dict[bytes, Run] = {}
        self.sessions: dict[bytes, Session] = {}
        self.tallies = Tallies()
        self.load = Load()
        self.delayed: Window[Job] = Window(self.load, _delay_entry, _payload_size)
        self.unexplained: dict[tuple[bytes, int], None] = {}  # attempts that ended with their worker
        self.purged: dict[bytes, int] = {}  # ids that DuckDB may still show: the cycle that deleted them
        self.next_seq = 1
        self.next_claim = 1
        self.applied = 0  # the last cycle that DuckDB has
        self.kept_waiting = 0
        self.fed: set[str] = set()  # queues that got ready jobs in this cycle
        self.retained: dict[str, float] = {}  # by status: how long after its end a job is purged
        self.expiry_due = NEVER  # when the next job that has not started may expire
        self.draft = Draft(1)

    # -- looking up ------------------------------------------------------------------------------

    def queue(self, name: str) -> Queue:
        """Return the queue, made on first use."""
        queue = self.queues.get(name)
        if queue is None:
            queue = self.queues[name] = Queue(name, self.new_window)
        return queue

    def new_window(self, of: Queue | Run) -> Window[Job]:
        """Return an empty window over the ready jobs of a queue or a run."""
        return Window(self.load, _ready_entry, _payload_size, of)

    def dirty(self, job: Job) -> bool:
        """Return whether memory knows something of this job that DuckDB does not."""
        return job.cycle > self.applied

    def resident(self, job: Job) -> bool:
        """Return whether the job belongs in memory even when it is clean."""
        status = job.status
        if status is PENDING:
            if job.queue.paused:
                return False
            key = ready_key(job)
            if job.queue.window.covers(key):
                return True
            return any(r.window is not None and r.window.covers(key) for r in lineage(job.run))
        if status is CLAIMED:
            return True
        if status is DELAYED:
            return self.delayed.covers(delay_key(job))
        return status is WAITING and job.kept

    # -- changing --------------------------------------------------------------------------------

    def tally(self, job: Job) -> Cells:
        """Return where this job is counted, to be counted up."""
        tally = job.queue.tallies.get(job.spec.task)
        if tally is None:
            tally = self.tallies.of(job)
        if tally.cycle != self.draft.cycle:
            self.draft.touch_tally(tally)
        return tally.cells

    def move(self, job: Job, event: str) -> None:
        """Move a job along the transition table, counters and draft with it."""
        self.draft.touch(job)
        before = job.status
        job.status = now = after(before, event)
        self._count(job, before, now)
        if job.kept and now is not WAITING:
            self._unkeep(job)

    def add(self, job: Job, event: str) -> None:
        """Enter a new job into the state."""
        job.cycle = self.draft.cycle
        job.status = after("new", event)
        self.jobs[job.id] = job
        self.draft.new.append(job)
        self.tally(job)[ENQUEUED] += 1
        self._count(job, None, job.status)

    def place(self, job: Job) -> None:
        """Put a ready or delayed job into the windows that cover it, or keep a waiting one."""
        status = job.status
        if job.expires_at is not None:
            self.expiry_due = min(self.expiry_due, job.expires_at)
        if status is PENDING:
            key = ready_key(job)
            queue = job.queue
            queue.window.offer(key, job)
            self.fed.add(queue.name)
            run = job.run
            while run is not None:
                if run.window is not None:
                    run.window.offer(key, job)
                run = run.parent
        elif status is DELAYED:
            self.delayed.offer(delay_key(job), job)
        elif status is WAITING and not job.kept and self.kept_waiting < MAX_KEPT_WAITING:
            job.kept = True
            self.kept_waiting += 1

    def leave_unexplained(self, job: Job) -> None:
        """Note that the job's claim ends because its worker is gone: a verdict may still say how."""
        key, waiting = (job.id, job.claim), self.unexplained
        waiting[key] = None
        self.draft.on_rollback(lambda: waiting.pop(key, None))
        if len(waiting) > MAX_UNEXPLAINED:
            del waiting[next(iter(waiting))]

    def explain(self, job_id: bytes, claim: int) -> bool:
        """Return whether this attempt waits for a verdict; it has had it from now on."""
        key, waiting = (job_id, claim), self.unexplained
        if key not in waiting:
            return False
        del waiting[key]
        self.draft.on_rollback(lambda: waiting.setdefault(key))
        return True

    def _count(self, job: Job, before: str | None, now: str | None) -> None:
        counts = job.queue.counts
        if before is not None:
            counts[before] -= 1
        if now is not None:
            counts[now] = counts.get(now, 0) + 1
            if now in BY_STATUS:
                self.tally(job)[BY_STATUS[now]] += 1
        run = job.run
        while run is not None:
            if before is not None:
                run.counts[before] -= 1
            if now is not None:
                run.counts[now] = run.counts.get(now, 0) + 1
            # A run that looks ended is judged again: its first jobs may be skipped before the others come.
            if now is CLAIMED or now in ENDED or before in ENDED or run.ended:
                status = run.verdict()
                if status != run.status:
                    self.draft.touch_run(run)
                    run.status = status
            run = run.parent

    # -- forgetting and taking back --------------------------------------------------------------

    def forget_clean(self, jobs: Iterable[Job], floor: int) -> list[Job]:
        """Drop those of `jobs` that DuckDB has (up to cycle `floor`); return those too young to judge."""
        held = []
        mine = self.jobs
        for job in jobs:
            if job.cycle > floor:
                held.append(job)
            elif not self.resident(job) and mine.get(job.id) is job:
                del mine[job.id]
        return held

    def forget_run(self, run: Run) -> None:
        """Drop a run, and what its window holds of all windows' common load."""
        del self.runs[run.spec.id]
        if run.window is not None:
            run.window.clear()
            run.window.frontier = None
            run.window = None  # a job that still knows the run offers itself to nobody

    def adopt(self, row: StoredJob) -> Job:
        """Return the job of a row: the one in memory where there is one, else the row made into one."""
        job = self.jobs.get(row.spec.id)
        if job is None:
            run = None if row.spec.run_id is None else self.runs.get(row.spec.run_id)
            job = Job.load(row, self.queue(row.spec.queue), run)
            self.jobs[job.id] = job
        return job

    def rollback(self) -> None:
        """Take the whole draft back: the state is again what the last durable record says."""

        def restored(job: Job, image: JobState) -> None:
            self._uncount(job, image.status)
            self._unclaim(job)
            if job.kept and image.status != WAITING:
                self._unkeep(job)
            job.restore(image)
            if job.status is CLAIMED and job.session in self.sessions:
                self.sessions[job.session].claims[job.id] = job
            self.place(job)

        def removed(job: Job) -> None:
            self._uncount(job, None)
            self._unclaim(job)
            if job.kept:
                self._unkeep(job)
            job.status = "new"
            self.jobs.pop(job.id, None)

        self.draft.rollback(restored, removed)
        self.draft = Draft(self.draft.cycle)

    def _uncount(self, job: Job, before: str | None) -> None:
        run = job.run
        counters = [job.queue.counts]
        while run is not None:
            counters.append(run.counts)
            run = run.parent
        for counts in counters:
            counts[job.status] -= 1
            if before is not None:
                counts[before] = counts.get(before, 0) + 1

    def _unkeep(self, job: Job) -> None:
        job.kept = False
        self.kept_waiting -= 1

    def _unclaim(self, job: Job) -> None:
        if job.session is not None and job.session in self.sessions:
            self.sessions[job.session].claims.pop(job.id, None)


def lineage(run: Run | None) -> list[Run]:
    """Return a run and the runs it is a part of."""
    found = []
    while run is not None:
        found.append(run)
        run = run.parent
    return found


def total(counts: dict[str, int], statuses: Iterable[str]) -> int:
    """Return the sum of some statuses' counts."""
    return sum(counts.get(status, 0) for status in statuses)
