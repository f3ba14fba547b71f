"""What a run of records comes to: the last state of each job, session, run and queue, and all that is new.

Pure: plain values in, columns out. The applier brings them into DuckDB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec.structs import astuple

from queuack_store.duckdb import arrow
from queuack_store.duckdb.arrow import Column
from queuack_store.duckdb.pieces import cut
from queuack_store.engine.changes import (
    Answer,
    Attempt,
    Explanation,
    JobState,
    LogRow,
    MemoRow,
    NewRow,
    ProgressRow,
    Record,
    RunRow,
    RunState,
)
from queuack_store.jobs import NewJob, SessionInfo
from queuack_store.retry import DEFAULT_RETRY

Columns = dict[str, Column]
_Builder = Callable[[Sequence[Any]], Column]

_STATE: dict[str, _Builder] = {
    "seq": arrow.integers,
    "status": arrow.words,
    "priority": arrow.integers,
    "execute_after": arrow.doubles,
    "attempts": arrow.integers,
    "claim": arrow.integers,
    "claimed_by": arrow.words,
    "session": arrow.tokens,
    "claimed_at": arrow.doubles,
    "started_at": arrow.doubles,
    "completed_at": arrow.doubles,
    "waiting_on": arrow.integers,
    "error": arrow.texts,
    "skip_reason": arrow.words,
    "suspect": arrow.booleans,
    "max_attempts": arrow.integers,
}
_ATTEMPT: dict[str, _Builder] = {
    "job_id": arrow.ids,
    "claim": arrow.integers,
    "attempt": arrow.integers,
    "worker": arrow.words,
    "claimed_at": arrow.doubles,
    "started_at": arrow.doubles,
    "ended_at": arrow.doubles,
    "outcome": arrow.words,
    "error": arrow.texts,
    "traceback": arrow.texts,
    "duration_seconds": arrow.doubles,
    "peak_rss_bytes": arrow.integers,
    "cpu_seconds": arrow.doubles,
}

_EXPLANATION: dict[str, _Builder] = {
    "job_id": arrow.ids,
    "claim": arrow.integers,
    "error": arrow.texts,
    "peak_rss_bytes": arrow.integers,
}
_PROGRESS: dict[str, _Builder] = {
    "job_id": arrow.ids,
    "claim": arrow.integers,
    "attempt": arrow.integers,
    "updated_at": arrow.doubles,
    "done": arrow.doubles,
    "total": arrow.doubles,
    "message": arrow.texts,
}
_LOG: dict[str, _Builder] = {
    "job_id": arrow.ids,
    "claim": arrow.integers,
    "attempt": arrow.integers,
    "line": arrow.integers,
    "logged_at": arrow.doubles,
    "level": arrow.words,
    "message": arrow.texts,
}


class Batch:
    """Records gathered in order; what a later one says of the same thing replaces the earlier."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.new: dict[int, NewRow] = {}
        self.states: dict[int, JobState] = {}
        self.results: dict[bytes, bytes] = {}
        self.attempts: list[Attempt] = []
        self.new_runs: dict[bytes, RunRow] = {}
        self.runs: dict[bytes, RunState] = {}
        self.purged: list[bytes] = []
        self.queues: dict[str, bool] = {}
        self.retained: dict[str, float | None] = {}
        self.opened: dict[bytes, SessionInfo] = {}
        self.closed: dict[bytes, float] = {}
        self.lows: dict[bytes, int] = {}
        self.explained: list[Explanation] = []
        self.tallies: dict[tuple[str, str], bytes] = {}
        self.progressed: dict[tuple[bytes, int], ProgressRow] = {}
        self.logged: list[LogRow] = []
        self._answers: list[Answer] = []
        self.memos: list[MemoRow] = []
        for record in records:
            self._take(record)

    def _take(self, record: Record) -> None:
        self.new.update({row.state.seq: row for row in record.new})
        self.states.update({state.seq: state for state in record.states})
        self.results.update(record.results)
        self.attempts += record.attempts
        self.new_runs.update({row.spec.id: row for row in record.new_runs})
        self.runs.update({run.id: run for run in record.runs})
        self.purged += record.purged
        self.queues.update(record.paused)
        self.retained.update(record.retained)
        for info in record.opened:
            self.opened[info.id] = info
            self.closed.pop(info.id, None)
        self.closed.update(record.closed)
        for answer in record.answers:
            self.lows[answer.session] = max(answer.low, self.lows.get(answer.session, 0))
        self._answers += record.answers
        self.memos += record.memos
        self.explained += record.explained
        self.tallies.update({(queue, task): cells for queue, task, cells in record.tallies})
        self.progressed.update({(row.job_id, row.claim): row for row in record.progressed})
        self.logged += record.logged

    def job_columns(self) -> Columns:
        """The new rows of `jobs`, each with the last state that the batch knows of it."""
        rows = list(self.new.values())
        pop = self.states.pop
        states = [pop(row.state.seq, row.state) for row in rows]
        specs = [row.spec for row in rows]
        return {
            **_transpose(states, _STATE),
            "id": arrow.ids([s.id for s in specs]),
            "queue": arrow.words([s.queue for s in specs]),
            "task": arrow.words([s.task for s in specs]),
            "created_at": arrow.doubles([row.created_at for row in rows]),
            "fresh_attempts": arrow.integers([s.max_attempts for s in specs]),
            "timeout_seconds": arrow.doubles([s.timeout_s for s in specs]),
            "node_name": arrow.texts([s.node_name for s in specs]),
            "dag_run_id": arrow.ids([s.run_id for s in specs]),
            "dependency_mode": arrow.words([s.mode for s in specs]),
            "expires": arrow.doubles([s.expires_s for s in specs]),
            "tags": arrow.lists([s.tags for s in specs]),
            **_retry_columns(specs),
        }

    def payload_columns(self) -> Columns:
        """The payloads of the new jobs, in pieces."""
        seqs, columns, pieces = cut(list(self.new), [row.spec.payload for row in self.new.values()])
        return {"seq": arrow.integers(seqs), **columns, "payload": arrow.blobs(pieces)}

    def edge_columns(self) -> Columns | None:
        """The edges of the new jobs to their parents, and to what they feed; None where there are none."""
        rows = [row for row in self.new.values() if row.spec.parents or row.spec.feeds]
        if not rows:
            return None
        specs = [row.spec for row in rows]
        fed = [(child, row.spec.id, row.state.seq) for row in rows for child in row.spec.feeds]
        # A parent that came after its child has its own number for a place: later than all before it.
        return {
            "child_id": arrow.ids([s.id for s in specs for _ in s.parents] + [edge[0] for edge in fed]),
            "parent_id": arrow.ids([p for s in specs for p in s.parents] + [edge[1] for edge in fed]),
            "position": arrow.integers(
                [place for s in specs for place in range(len(s.parents))] + [edge[2] for edge in fed]
            ),
        }

    def state_columns(self) -> Columns:
        """The states of jobs that were there before; call `job_columns` first, it takes the others out."""
        return _transpose(self.states.values(), _STATE)

    def attempt_columns(self) -> Columns:
        """The attempts that ended."""
        return _transpose(self.attempts, _ATTEMPT)

    def explanation_columns(self) -> Columns:
        """The attempts whose text is replaced; call after the batch's own attempts are in."""
        return _transpose(self.explained, _EXPLANATION)

    def result_columns(self) -> Columns:
        """The results, in pieces."""
        job_ids, columns, pieces = cut(list(self.results), list(self.results.values()))
        return {"job_id": arrow.ids(job_ids), **columns, "result": arrow.blobs(pieces)}

    def run_columns(self) -> Columns:
        """The new runs, each with the last state that the batch knows of it."""
        rows = list(self.new_runs.values())
        states = [self.runs.pop(row.spec.id, None) for row in rows]
        return {
            "id": arrow.ids([row.spec.id for row in rows]),
            "name": arrow.texts([row.spec.name for row in rows]),
            "description": arrow.texts([row.spec.description for row in rows]),
            "parent_id": arrow.ids([row.spec.parent_id for row in rows]),
            "run_key": arrow.texts([row.spec.key for row in rows]),
            "status": arrow.words([state.status if state else "pending" for state in states]),
            "created_at": arrow.doubles([row.created_at for row in rows]),
            "completed_at": arrow.doubles([state.completed_at if state else None for state in states]),
            "total": arrow.integers([row.total for row in rows]),
            "facts": arrow.blobs([row.spec.facts for row in rows]),
        }

    def run_state_columns(self) -> Columns:
        """The states of runs that were there before; call `run_columns` first."""
        runs = list(self.runs.values())
        return {
            "id": arrow.ids([run.id for run in runs]),
            "status": arrow.words([run.status for run in runs]),
            "completed_at": arrow.doubles([run.completed_at for run in runs]),
        }

    def session_columns(self) -> Columns:
        """The sessions that were opened; those that also closed are taken out of `closed`."""
        infos = list(self.opened.values())
        return {
            "id": arrow.blobs([info.id for info in infos]),
            "pid": arrow.integers([info.pid for info in infos]),
            "started": arrow.integers([info.started for info in infos]),
            "boot_id": arrow.texts([info.boot_id for info in infos]),
            "name": arrow.texts([info.name for info in infos]),
            "closed_at": arrow.doubles([self.closed.pop(info.id, None) for info in infos]),
        }

    def closed_columns(self) -> Columns:
        """The sessions that closed; call `session_columns` first."""
        return {
            "id": arrow.blobs(list(self.closed)),
            "closed_at": arrow.doubles(list(self.closed.values())),
        }

    def queue_columns(self) -> Columns:
        """The queues that were paused or resumed."""
        return {
            "name": arrow.texts(list(self.queues)),
            "paused": arrow.booleans(list(self.queues.values())),
        }

    def retention_columns(self) -> Columns:
        """How long jobs are kept, by status."""
        return {
            "status": arrow.words(list(self.retained)),
            "seconds": arrow.doubles(list(self.retained.values())),
        }

    def low_columns(self) -> Columns:
        """The lowest request number that each session still awaits."""
        return {
            "session": arrow.blobs(list(self.lows)),
            "low": arrow.integers(list(self.lows.values())),
        }

    def answer_columns(self) -> Columns | None:
        """The answers that are still awaited; None where there are none."""
        lows = self.lows
        kept = [answer for answer in self._answers if answer.seq >= lows[answer.session]]
        if not kept:
            return None
        return {
            "session": arrow.blobs([answer.session for answer in kept]),
            "seq": arrow.integers([answer.seq for answer in kept]),
            "body": arrow.blobs([answer.body for answer in kept]),
        }

    def tally_columns(self) -> Columns:
        """The counts that changed, by queue and task."""
        return {
            "queue": arrow.texts([queue for queue, _ in self.tallies]),
            "task": arrow.texts([task for _, task in self.tallies]),
            "cells": arrow.blobs(list(self.tallies.values())),
        }

    def progress_columns(self) -> Columns:
        """How far attempts are, the latest of each."""
        return _transpose(self.progressed.values(), _PROGRESS)

    def log_columns(self) -> Columns:
        """The lines that were logged."""
        return _transpose(self.logged, _LOG)

    def memo_columns(self) -> Columns:
        """The memos."""
        return {
            "job_id": arrow.ids([memo.job_id for memo in self.memos]),
            "key": arrow.blobs([memo.key for memo in self.memos]),
            "made_at": arrow.doubles([memo.made_at for memo in self.memos]),
            "origin_id": arrow.ids([memo.origin for memo in self.memos]),
        }

    def purged_columns(self) -> Columns:
        """The jobs that were purged."""
        return {"id": arrow.ids(self.purged)}


def split(records: Sequence[Record]) -> Iterator[Batch]:
    """Cut the records into batches after each one that purges: what comes later must not be swept away."""
    start = 0
    for place, record in enumerate(records, 1):
        if record.purged or place == len(records):
            yield Batch(records[start:place])
            start = place


def _transpose(rows: Iterable[msgspec.Struct], kinds: dict[str, _Builder]) -> Columns:
    columns = zip(*map(astuple, rows), strict=True)
    return {name: build(values) for (name, build), values in zip(kinds.items(), columns, strict=True)}


def _retry_columns(specs: Sequence[NewJob]) -> Columns:
    names = ("retry_delay_seconds", "retry_factor", "retry_jitter", "retry_cap_seconds")
    policies = [spec.retry for spec in specs]
    if all(policy is DEFAULT_RETRY for policy in policies):
        nothing = arrow.doubles([None] * len(specs))
        return dict.fromkeys(names, nothing)
    rows = [(None,) * 4 if policy == DEFAULT_RETRY else astuple(policy) for policy in policies]
    return {name: arrow.doubles(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
