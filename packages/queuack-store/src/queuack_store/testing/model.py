"""What a queue is to the one who uses it, small enough to be read whole: the measure of the engine's core.

No windows, no disk, no draft: every job in one dict, every rule in its plainest form. It takes each reply in
the order in which the core gave it and says where it would have answered otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from queuack_store.jobs import Growth, NewJob, Outcome
from queuack_store.requests import Verdict
from queuack_store.retry import retry_delay_s
from queuack_store.states import (
    CANCELLED,
    CLAIMED,
    DELAYED,
    DONE,
    ENDED,
    FAILED,
    LIVE,
    PENDING,
    SKIPPED,
    WAITING,
)

LEASE_S = 300.0  # of claims from before a takeover
_COUNTED = {DONE: "succeeded", FAILED: "dead", CANCELLED: "cancelled", SKIPPED: "skipped"}


class ModelJob:
    """One job, as its users know it."""

    def __init__(self, spec: NewJob, seq: int, now: float) -> None:
        self.spec = spec
        self.id = spec.id
        self.parents = list(dict.fromkeys(spec.parents))
        self.seq = seq
        self.status = PENDING
        self.priority = spec.priority
        self.created_at = now
        self.due: float | None = now + spec.delay_s if spec.delay_s > 0 else None
        self.expires_at = None if spec.expires_s is None else now + spec.expires_s
        self.attempts = 0
        self.max_attempts = spec.max_attempts
        self.claim = 0
        self.session: bytes | None = None
        self.started = False
        self.suspect = False
        self.cancelled = False  # it is claimed, and its worker has been asked to stop
        self.cancel_asked = False  # ever, while it was claimed
        self.completed_at: float | None = None
        self.result: bytes | None = None
        self.children: list[ModelJob] = []

    @property
    def key(self) -> tuple[int, int]:
        """The job's place in its queue."""
        return (-self.priority, self.seq)


class ModelSession:
    """An open handle."""

    def __init__(self, now: float) -> None:
        self.heard_at = now
        self.lease_s = LEASE_S
        self.low = 0  # the lowest request that its client still awaits
        self.open = True
        self.orphan = False


class Model:
    """Jobs, sessions and runs, with the rules of their lives."""

    def __init__(self) -> None:
        self.jobs: dict[bytes, ModelJob] = {}
        self.by_seq: dict[int, ModelJob] = {}
        self.sessions: dict[bytes, ModelSession] = {}
        self.runs: dict[bytes, bytes | None] = {}  # id: the run it is a part of
        self.paused: set[str] = set()
        self.answers: dict[tuple[bytes, int], Any] = {}
        self.changed: set[ModelJob] = set()  # in this cycle
        self.tally: Counter[str] = Counter()  # what has ever happened
        self.max_claim = 0
        self.max_seq = 0
        self.now = 0.0

    # -- looking ---------------------------------------------------------------------------------

    def claims(self, session: bytes) -> list[ModelJob]:
        """Return the jobs that a session holds, in order."""
        held = [j for j in self.jobs.values() if j.status == CLAIMED and j.session == session]
        return sorted(held, key=lambda job: job.seq)

    def counts(self, queue: str | None = None) -> dict[str, int]:
        """Return how many jobs are in each state."""
        counts: dict[str, int] = {}
        for job in self.jobs.values():
            if queue in (None, job.spec.queue):
                counts[job.status] = counts.get(job.status, 0) + 1
        return counts

    def lineage(self, run_id: bytes | None) -> Iterator[bytes]:
        """Yield a run and those above it."""
        while run_id is not None:
            yield run_id
            run_id = self.runs.get(run_id)

    def waiting_on(self, job: ModelJob) -> int:
        """Return how many of a job's parents have not ended."""
        found = map(self.jobs.get, job.parents)
        return sum(1 for parent in found if parent is not None and parent.status in LIVE)

    def ready(self, job: ModelJob) -> bool:
        """Return whether a job may be handed out."""
        return job.status == PENDING and job.spec.queue not in self.paused

    # -- the life of a job -----------------------------------------------------------------------

    def add(self, spec: NewJob, seq: int) -> ModelJob:
        """Enter a new job."""
        assert seq > self.max_seq, f"job number {seq} was given before"
        self.max_seq = seq
        job = ModelJob(spec, seq, self.now)
        assert spec.id not in self.jobs, "this job exists already"
        self.jobs[spec.id] = self.by_seq[job.seq] = job
        for parent in job.parents:
            self.jobs[parent].children.append(job)
        self.touch(job)
        self.tally["enqueued"] += 1
        verdict = self.verdict(job)
        if verdict == SKIPPED:
            job.status, job.completed_at = SKIPPED, self.now
            self.tally["skipped"] += 1
        elif verdict == WAITING:
            job.status = WAITING
        elif job.due is not None:
            job.status = DELAYED
        return job

    def verdict(self, job: ModelJob) -> str:
        """Return what a job's parents make of it: it waits, is ready, or is skipped."""
        parents = [self.jobs[p] for p in job.parents if p in self.jobs]
        bad = [p for p in parents if p.status in ENDED and p.status != DONE]
        good = any(p.status == DONE for p in parents)
        unfinished = any(p.status in LIVE for p in parents)
        mode = job.spec.mode
        if mode == "all" and bad:
            return SKIPPED
        if mode == "any" and parents:
            if good:
                return PENDING
            return WAITING if unfinished else SKIPPED
        return WAITING if unfinished else PENDING

    def weigh(self, job: ModelJob) -> str:
        """Release a waiting job where its parents have ended so; return their verdict."""
        self.touch(job)
        verdict = self.verdict(job)
        if verdict == PENDING:
            self.release(job)
        return verdict

    def touch(self, job: ModelJob) -> None:
        """Note that the record of this cycle must name the job."""
        self.changed.add(job)

    def end(self, job: ModelJob, status: str) -> None:
        """End a job and settle what is behind it."""
        todo = [(job, status)]
        while todo:
            job, status = todo.pop()
            if job.status in ENDED:
                continue
            self.touch(job)
            job.status, job.completed_at = status, self.now
            self.tally[_COUNTED[status]] += 1
            job.session, job.suspect, job.cancelled = None, False, False
            waiting = [child for child in job.children if child.status == WAITING]
            todo += [(child, SKIPPED) for child in waiting if self.weigh(child) == SKIPPED]

    def release(self, job: ModelJob) -> None:
        """Make a job ready, or delayed where its time has not come."""
        self.touch(job)
        later = job.due is not None and job.due > self.now
        job.status = DELAYED if later else PENDING

    def hand_back(self, job: ModelJob, suspect: bool = False) -> None:
        """Return a claimed job unspent."""
        if job.cancelled:
            self.end(job, CANCELLED)
            return
        self.touch(job)
        self.tally["returned"] += job.started
        job.attempts -= job.started
        job.status, job.session, job.started, job.suspect = PENDING, None, False, suspect

    def fail(self, job: ModelJob, final: bool) -> None:
        """Count a failed attempt of a job that had started."""
        self.touch(job)
        self.tally["failed"] += 1
        wait_s = retry_delay_s(job.spec.retry, job.attempts, job.id)
        if job.cancelled:
            self.end(job, CANCELLED)
        elif final or job.attempts >= job.max_attempts:
            self.end(job, FAILED)
        else:
            self.tally["retried"] += 1
            job.session, job.started = None, False
            job.status = PENDING
            if wait_s > 0:
                job.status, job.due = DELAYED, self.now + wait_s

    def start(self, job: ModelJob) -> None:
        """Count an attempt."""
        if not job.started:
            self.touch(job)
            job.started = True
            job.attempts += 1
            self.tally["started"] += 1

    def grow(self, growth: Growth, seqs: dict[bytes, int]) -> None:
        """Add to the graph what an outcome that counts says; `seqs` are the record's new jobs."""

        def waits(job_id: bytes) -> bool:
            return job_id in self.jobs and self.jobs[job_id].status == WAITING

        for child in map(self.jobs.get, growth.closed):
            if child is None or (child.status == WAITING and child.spec.mode == "always"):
                continue
            if child.status == WAITING:
                self.end(child, SKIPPED)
            if child.status == SKIPPED:
                self.touch(child)
                child.max_attempts = 0
        wanted = [spec for spec in growth.jobs if all(map(waits, spec.feeds))]
        assert {spec.id for spec in wanted} == {s.id for s in growth.jobs} & seqs.keys(), "other jobs grew"
        made = {spec.run_id for spec in wanted}
        self.runs.update({run.id: run.parent_id for run in growth.runs if run.id in made})
        for spec in wanted:
            job = self.add(spec, seqs[spec.id])
            for fed in map(self.jobs.__getitem__, spec.feeds):
                self.touch(fed)
                fed.parents.append(job.id)
                job.children.append(fed)
                if job.status in ENDED and fed.status == WAITING and self.weigh(fed) == SKIPPED:
                    self.end(fed, SKIPPED)

    def in_a_circle(self, jobs: list[NewJob]) -> bool:
        """Return whether new jobs would wait for themselves: taking away what can run never reaches them."""
        waits = {job_id: set(job.parents) for job_id, job in self.jobs.items()}
        waiting = {job_id for job_id, job in self.jobs.items() if job.status == WAITING}
        jobs = [spec for spec in jobs if waiting.issuperset(spec.feeds)]
        waits |= {spec.id: set(spec.parents) for spec in jobs}
        for spec in jobs:
            for fed in spec.feeds:
                waits[fed].add(spec.id)
        while free := {job_id for job_id, parents in waits.items() if waits.keys().isdisjoint(parents)}:
            for job_id in free:
                del waits[job_id]
        return any(spec.id in waits for spec in jobs)

    def settle(self, job: ModelJob, outcome: Outcome, seqs: dict[bytes, int]) -> None:
        """Let a claim end, or grow, as its worker says."""
        if outcome.kind == "returned":
            self.hand_back(job)
            if outcome.delay_s and job.status == PENDING:
                job.status, job.due = DELAYED, self.now + outcome.delay_s
            return
        self.start(job)
        if outcome.growth is not None and outcome.kind in ("done", "grown"):
            self.grow(outcome.growth, seqs)
        if outcome.kind == "grown":
            return
        if outcome.kind == "done":
            job.result = outcome.result
            self.end(job, DONE)
        elif outcome.kind in ("cancelled", "skipped"):
            self.end(job, CANCELLED if outcome.kind == "cancelled" else SKIPPED)
        else:
            self.fail(job, outcome.final)

    def judge(
        self, claims: list[tuple[bytes, int]], spared: list[tuple[bytes, int]], ends: set[bytes]
    ) -> None:
        """End claims whose worker is gone, as a failed attempt, and give those beside them back."""
        for pairs, dead in ((claims, True), (spared, False)):
            for job_id, claim in pairs:
                if not self._stands(job_id, claim):
                    continue
                job = self.jobs[job_id]
                if dead:
                    self.start(job)
                    job.suspect = True
                    self.fail(job, final=False)
                else:
                    self.hand_back(job)
        for session_id in ends:
            self.close(session_id, orderly=True)

    def holders(self, request: Verdict, watcher: bytes) -> set[bytes]:
        """Return the sessions that a verdict on whole sessions ends."""
        named = [*request.claims, *request.spared] if request.whole else []
        found = {self.jobs[job_id].session for job_id, claim in named if self._stands(job_id, claim)}
        return {session for session in found if session is not None and session != watcher}

    def _stands(self, job_id: bytes, claim: int) -> bool:
        job = self.jobs.get(job_id)
        return job is not None and job.status == CLAIMED and job.claim == claim

    def revive(self, jobs: list[ModelJob]) -> int:
        """Give ended jobs a fresh set of attempts, and what was skipped because of them."""
        family: dict[bytes, ModelJob] = {}
        todo = list(jobs)
        while todo:
            job = todo.pop()
            if job.id not in family:
                family[job.id] = job
                todo += [child for child in job.children if child.status == SKIPPED]
        count = 0
        for job in self.parents_first(family):
            verdict = self.verdict(job)
            if verdict == SKIPPED or not job.max_attempts:
                continue
            self.touch(job)
            for child in job.children:
                if child.status == WAITING:
                    self.touch(child)
            job.status = verdict
            job.max_attempts = job.attempts + job.spec.max_attempts
            job.completed_at, job.started, job.due = None, False, None
            count += any(job is asked for asked in jobs)
        return count

    def parents_first(self, family: dict[bytes, ModelJob]) -> list[ModelJob]:
        """Return the jobs in order of submission, but none before its parents among them."""
        order: list[ModelJob] = []
        left = sorted(family.values(), key=lambda job: job.seq)
        while left:
            ahead = {job.id for job in left}
            free = next((job for job in left if ahead.isdisjoint(job.parents)), left[0])
            left.remove(free)
            order.append(free)
        return order

    # -- sessions --------------------------------------------------------------------------------

    def close(self, session_id: bytes, orderly: bool) -> None:
        """End a session: by its own word, or because its process is gone."""
        if orderly:
            for job in self.claims(session_id):
                self.hand_back(job)
        else:
            self.lose(session_id, died=True)
        session = self.sessions[session_id]
        session.open = session.orphan = False

    def lose(self, session_id: bytes, died: bool) -> None:
        """Take a session's claims back: what had started pays an attempt."""
        for job in self.claims(session_id):
            if job.started:
                job.suspect = died
                self.fail(job, final=False)
            else:
                self.hand_back(job, suspect=died)

    def takeover(self, dead: set[bytes]) -> None:
        """A new engine begins: every open session has to come back; those that are dead won't."""
        for session_id, session in self.sessions.items():
            if session.open:
                session.orphan = True
                session.lease_s = LEASE_S
                session.heard_at = float("-inf") if session_id in dead else self.now

    def purge(self, job_id: bytes) -> None:
        """Forget a job."""
        job = self.jobs.pop(job_id)
        assert job.status in ENDED, f"purged while it was {job.status}"
        assert not any(child.status in LIVE for child in job.children), "purged before its children ended"
        del self.by_seq[job.seq]
        for parent in job.parents:
            if parent in self.jobs:
                self.jobs[parent].children.remove(job)
