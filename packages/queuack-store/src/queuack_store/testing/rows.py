"""The rows behind an engine under test: what DuckDB would hold, as plain dicts, applied to by the tests.

It keeps to what a real file does to a value: times have microseconds, a job's own delay and first number of
attempts are not kept, edges go with either of their ends.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from queuack_store.engine.changes import Attempt, JobState, MemoRow, NewRow, Record, RunRow
from queuack_store.engine.reads import (
    Read,
    ReadDelayed,
    ReadJobs,
    ReadQuery,
    ReadReady,
    ReadResults,
    Snapshot,
    StoredRun,
)
from queuack_store.jobs import NewJob, SessionInfo, StoredJob
from queuack_store.states import CLAIMED, DELAYED, ENDED, FAILED, LIVE, PENDING


def stored(at: float | None) -> float | None:
    """Return a time as a column of microseconds gives it back."""
    return None if at is None else round(at * 1_000_000) / 1_000_000


class RowStore:
    """Applies records and answers reads. One thread."""

    def __init__(self) -> None:
        self.cycle = 0
        self.next_seq = 1
        self.next_claim = 1
        self.jobs: dict[bytes, tuple[NewJob, float, JobState]] = {}
        self.ids: dict[int, bytes] = {}
        self.children: dict[bytes, list[bytes]] = {}
        self.expiries: dict[bytes, float | None] = {}
        self.results: dict[bytes, bytes] = {}
        self.memos: dict[bytes, MemoRow] = {}
        self.attempts: dict[bytes, list[Attempt]] = {}
        self.runs: dict[bytes, tuple[RunRow, str]] = {}
        self.sessions: dict[bytes, tuple[SessionInfo, float | None]] = {}
        self.answers: dict[tuple[bytes, int], bytes] = {}
        self.paused: set[str] = set()
        self.retained: dict[str, float] = {}
        self.tallies: dict[tuple[str, str], bytes] = {}

    # -- applying --------------------------------------------------------------------------------

    def apply(self, records: Iterable[Record]) -> None:
        """Apply records in order; those that are not newer are passed over."""
        for record in records:
            if record.cycle <= self.cycle:
                continue
            assert record.cycle == self.cycle + 1, f"cycle {record.cycle} after {self.cycle}"
            self._apply(record)

    def _apply(self, record: Record) -> None:
        self.cycle = record.cycle
        self.next_seq, self.next_claim = record.next_seq, record.next_claim
        for run in record.new_runs:
            self.runs[run.spec.id] = (run, "pending")
        for ended in record.runs:
            self.runs[ended.id] = (self.runs[ended.id][0], ended.status)
        for row in record.new:
            self._insert(row)
        for state in record.states:
            self._update(state)
        self.results.update(record.results)
        self.memos.update({memo.job_id: memo for memo in record.memos})
        for attempt in record.attempts:
            self.attempts.setdefault(attempt.job_id, []).append(attempt)
        for told in record.explained:
            found = self.attempts.get(told.job_id, [])
            self.attempts[told.job_id] = [
                msgspec.structs.replace(a, error=told.error, peak_rss=told.peak_rss)
                if a.claim == told.claim
                else a
                for a in found
            ]
        for name, paused in record.paused:
            (self.paused.add if paused else self.paused.discard)(name)
        if record.retained:
            self.retained = {status: age for status, age in record.retained if age is not None}
        for info in record.opened:
            self.sessions[info.id] = (info, None)
        for session, at in record.closed:
            if session in self.sessions:
                self.sessions[session] = (self.sessions[session][0], at)
        for answer in record.answers:
            for key in [k for k in self.answers if k[0] == answer.session and k[1] < answer.low]:
                del self.answers[key]
            self.answers[answer.session, answer.seq] = answer.body
        self.tallies.update({(queue, task): cells for queue, task, cells in record.tallies})
        for job_id in record.purged:
            self._purge(job_id)

    def _insert(self, row: NewRow) -> None:
        spec, seq = row.spec, row.state.seq
        assert spec.id not in self.jobs, "a job was stored twice"
        self.ids[seq] = spec.id
        for parent in dict.fromkeys(spec.parents):
            self.children.setdefault(parent, []).append(spec.id)
        for fed in spec.feeds:
            self.children.setdefault(spec.id, []).append(fed)
            old, created_at, state = self.jobs[fed]
            more = msgspec.structs.replace(old, parents=(*old.parents, spec.id))
            self.jobs[fed] = (more, created_at, state)
        kept = msgspec.structs.replace(spec, delay_s=0.0, expires_s=None, feeds=())
        self.jobs[spec.id] = (kept, stored(row.created_at) or 0.0, row.state)
        if spec.expires_s is not None:
            self.expiries[spec.id] = stored(row.created_at + spec.expires_s)

    def _update(self, state: JobState) -> None:
        job_id = self.ids.get(state.seq)
        if job_id is not None:
            spec, created_at, _ = self.jobs[job_id]
            self.jobs[job_id] = (spec, created_at, state)

    def _purge(self, job_id: bytes) -> None:
        spec, _, state = self.jobs.pop(job_id)
        del self.ids[state.seq]
        self.children.pop(job_id, None)
        for parent in spec.parents:
            if job_id in self.children.get(parent, ()):
                self.children[parent].remove(job_id)
        self.results.pop(job_id, None)
        self.memos.pop(job_id, None)
        self.attempts.pop(job_id, None)

    def copy(self) -> RowStore:
        """Return the store as it is now, for a second life."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, (dict, set)):
                setattr(other, name, copy.copy(value))
        other.children = {parent: list(found) for parent, found in self.children.items()}
        other.attempts = {job_id: list(found) for job_id, found in self.attempts.items()}
        return other

    # -- reading ---------------------------------------------------------------------------------

    def status(self, job_id: bytes) -> str:
        """Return the status of a job."""
        return self.jobs[job_id][2].status

    def read(self, read: Read) -> Any:
        """Run one read."""
        match read:
            case ReadJobs():
                return [self._whole(job_id) for job_id in read.ids if job_id in self.jobs]
            case ReadReady():
                return self._ready(read)
            case ReadDelayed():
                return self._delayed(read)
            case ReadResults():
                return [self._result(job_id) for job_id in read.ids if job_id in self.jobs]
            case ReadQuery():
                return self._query(read)
        raise AssertionError(f"no such read: {read!r}")

    def _whole(self, job_id: bytes) -> StoredJob:
        spec, created_at, s = self.jobs[job_id]
        known = self.jobs
        return StoredJob(
            spec=msgspec.structs.replace(spec, parents=tuple(p for p in spec.parents if p in known)),
            seq=s.seq,
            status=s.status,
            priority=s.priority,
            created_at=created_at,
            execute_after=stored(s.execute_after),
            attempts=s.attempts,
            claim=s.claim,
            claimed_by=s.claimed_by,
            session=s.session,
            claimed_at=stored(s.claimed_at),
            started_at=stored(s.started_at),
            completed_at=stored(s.completed_at),
            waiting_on=s.waiting_on,
            error=s.error,
            skip_reason=s.skip_reason,
            suspect=s.suspect,
            max_attempts=s.max_attempts,
            expires_at=self.expiries.get(job_id),
            children=list(self.children.get(job_id, ())),
        )

    def _matching(self, wanted: Callable[[NewJob, JobState], bool]) -> list[tuple[bytes, JobState]]:
        return [(job_id, state) for job_id, (spec, _, state) in self.jobs.items() if wanted(spec, state)]

    def _ready(self, read: ReadReady) -> list[StoredJob]:
        family = None if read.run_id is None else self._below(read.run_id)
        after = read.after or (-128, -1)
        found = self._matching(
            lambda spec, state: (
                state.status == PENDING
                and (read.queue is None or spec.queue == read.queue)
                and (family is None or spec.run_id in family)
                and (-state.priority, state.seq) > after
            )
        )
        found.sort(key=lambda entry: (-entry[1].priority, entry[1].seq))
        return self._upto([job_id for job_id, _ in found[: read.limit]], read.max_bytes)

    def _delayed(self, read: ReadDelayed) -> list[StoredJob]:
        due, seq = read.after or (0.0, -1)
        after = (round(due * 1e6), seq)
        found = []
        for job_id, (_, _, state) in self.jobs.items():
            key = (round((state.execute_after or 0.0) * 1e6), state.seq)
            if state.status == DELAYED and key > after:
                found.append((key, job_id))
        return self._upto([job_id for _, job_id in sorted(found)[: read.limit]], read.max_bytes)

    def _upto(self, job_ids: list[bytes], max_bytes: int | None) -> list[StoredJob]:
        jobs, size = [], 0
        for job_id in job_ids:
            jobs.append(self._whole(job_id))
            size += len(jobs[-1].spec.payload)
            if max_bytes is not None and size >= max_bytes:
                break
        return jobs

    def _result(self, job_id: bytes) -> tuple[bytes, bytes | None, str | None, str | None]:
        last = self.attempts.get(job_id, [None])[-1]
        error, trace = (None, None) if last is None else (last.error, last.traceback)
        return (job_id, self.results.get(job_id), error, trace)

    def _below(self, run_id: bytes) -> set[bytes]:
        family, size = {run_id}, 0
        while size < len(family):
            size = len(family)
            family |= {r for r, (row, _) in self.runs.items() if row.spec.parent_id in family}
        return family

    def _query(self, read: ReadQuery) -> list[Any]:
        assert self.cycle >= read.after_cycle, "this read was to wait for the applier"
        p = read.params
        match read.name:
            case "purge_candidates":
                return self._purgeable(p["queue"], p["status"], p["before"])[: p["limit"]]
            case "failed_ids":
                found = self._matching(
                    lambda spec, state: state.status == FAILED and p["queue"] in (None, spec.queue)
                )
                found.sort(key=lambda entry: entry[1].seq)
                return [job_id for job_id, _ in found][: p["limit"]]
            case "next_ended":
                ended = [
                    s.completed_at or 0.0 for _, s in self._matching(lambda _, s: s.status == p["status"])
                ]
                return [min((at for at in ended if at > p["after"]), default=None)]
            case "expiring":
                return self._expiring()[: p["limit"]]
            case "stored_runs":
                return self._stored_runs(p["ids"])
            case "run":
                return [self._run_dict(p["id"])] if p["id"] in self.runs else []
            case "run_by_key":
                keyed = [r for r, (row, _) in self.runs.items() if row.spec.key == p["key"]]
                return [self._run_dict(r) for r in keyed[-1:]]
        raise AssertionError(f"the tests know no query {read.name}")

    def _purgeable(self, queue: str | None, status: str, before: float) -> list[tuple[bytes, str]]:
        found = []
        for job_id, (spec, _, state) in self.jobs.items():
            fits = state.status == status and queue in (None, spec.queue)
            old = (stored(state.completed_at) or 0.0) <= round(before * 1e6) / 1e6
            if fits and old and not any(self.status(c) in LIVE for c in self.children.get(job_id, ())):
                found.append((state.seq, job_id, spec.queue))
        return [(job_id, name) for _, job_id, name in sorted(found)]

    def _expiring(self) -> list[tuple[bytes, float]]:
        found = []
        for job_id, at in self.expiries.items():
            state = self.jobs[job_id][2] if job_id in self.jobs else None
            if state is not None and at is not None and state.status in LIVE - {CLAIMED}:
                found.append((at, state.seq, job_id))
        return [(job_id, at) for at, _, job_id in sorted(found)]

    def _run_dict(self, run_id: bytes) -> dict[str, Any]:
        row, status = self.runs[run_id]
        return {"id": run_id, "run_key": row.spec.key, "status": status, "counts": self._run_counts(run_id)}

    def _run_counts(self, run_id: bytes) -> dict[str, int]:
        counts: dict[str, int] = {}
        for spec, _, state in self.jobs.values():
            if spec.run_id == run_id:
                counts[state.status] = counts.get(state.status, 0) + 1
        return counts

    def _stored_runs(self, wanted: Iterable[bytes]) -> list[StoredRun]:
        family: set[bytes] = set()
        for run_id in wanted:
            above: bytes | None = run_id
            while above is not None and above in self.runs:
                family.add(above)
                above = self.runs[above][0].spec.parent_id
        for run_id in list(family):
            family |= self._below(run_id)
        return [self._stored_run(run_id) for run_id in self.runs if run_id in family]

    def _stored_run(self, run_id: bytes) -> StoredRun:
        row, status = self.runs[run_id]
        return StoredRun(row.spec, row.created_at, self._run_counts(run_id), status)

    def snapshot(self) -> Snapshot:
        """Return what an engine that opens this store is told."""
        counts: dict[tuple[str, str], int] = {}
        for spec, _, state in self.jobs.values():
            key = (spec.queue, state.status)
            counts[key] = counts.get(key, 0) + 1
        claimed = self._matching(lambda _, state: state.status == CLAIMED)
        return Snapshot(
            cycle=self.cycle,
            next_seq=self.next_seq,
            next_claim=self.next_claim,
            counts=[(queue, status, n) for (queue, status), n in sorted(counts.items())],
            paused=sorted(self.paused),
            claimed=[self._whole(job_id) for job_id, _ in claimed],
            sessions=[info for info, closed_at in self.sessions.values() if closed_at is None],
            answers=[(session, seq, body) for (session, seq), body in sorted(self.answers.items())],
            runs=[self._stored_run(r) for r, (_, status) in self.runs.items() if status not in ENDED],
            tallies=[(queue, task, cells) for (queue, task), cells in self.tallies.items()],
            retained=sorted(self.retained.items()),
        )
