"""Every read that the engine asks for, each on a cursor of its own in one read-only snapshot."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from queuack_store.duckdb.arrow import Source, ids, integers
from queuack_store.duckdb.pieces import joined, latest
from queuack_store.duckdb.queries import sql
from queuack_store.duckdb.rows import (
    ATTEMPT_FIELDS,
    RUN_FIELDS,
    Row,
    as_dict,
    job_views,
    run_spec,
    stored_jobs,
    with_parents,
)
from queuack_store.engine.reads import (
    ReadDelayed,
    ReadJobs,
    ReadQuery,
    ReadReady,
    ReadResults,
    Snapshot,
    StoredRun,
)
from queuack_store.errors import InvalidRequestError
from queuack_store.jobs import JobResult, JobView, SessionInfo, StoredJob

_HIGHEST_PRIORITY = 127  # TINYINT: above every priority there is
_FOREVER_AGO = 0.0


class Reader:
    """One cursor and the ids that its next statement wants; used by one thread at a time."""

    def __init__(self, cursor: Any) -> None:
        self.cursor = cursor
        self._wanted = Source()
        self._wanted.fill(id=ids([bytes(16)]))
        cursor.register("queuack_wanted", self._wanted)
        self._wanted_seqs = Source()
        self._wanted_seqs.fill(seq=integers([0]))
        cursor.register("queuack_wanted_seqs", self._wanted_seqs)

    def jobs(self, read: ReadJobs) -> list[StoredJob]:
        """Return the jobs with these ids, in no order."""
        return self._whole(self._rows_of("find_ids", read.ids)) if read.ids else []

    def ready(self, read: ReadReady) -> list[StoredJob]:
        """Return the best pending jobs of a queue or run after a key."""
        negative, seq = read.after or (-_HIGHEST_PRIORITY, -1)
        params = {"queue": read.queue, "priority": -negative, "seq": seq, "limit": read.limit}
        if read.run_id is None:
            found = self._rows("find_ready", params)
        else:
            found = self._rows("find_ready_run", {**params, "run_id": read.run_id})
        return self._whole(found, read.max_bytes)

    def delayed(self, read: ReadDelayed) -> list[StoredJob]:
        """Return the delayed jobs that are due soonest after a key."""
        due, seq = read.after or (_FOREVER_AGO, -1)
        found = self._rows("find_delayed", {"due": due, "seq": seq, "limit": read.limit})
        return self._whole(found, read.max_bytes)

    def results(self, read: ReadResults) -> list[Row]:
        """Return (id, result, error, traceback) of those that have a result or an attempt."""
        if not read.ids:
            return []
        results = self.latest_results(read.ids)
        errors = {row[0]: row[1:] for row in self._rows("read_errors")}
        return [
            (id_, results.get(id_), *errors.get(id_, (None, None)))
            for id_ in read.ids
            if id_ in results or id_ in errors
        ]

    def latest_results(self, job_ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the results of those jobs that have one: of several the last counts."""
        return latest(self._rows_of("read_results", job_ids))

    def query(self, read: ReadQuery) -> list[Any]:
        """Run a named query; what its rows are is said in QUERIES."""
        try:
            shape = QUERIES[read.name]
        except KeyError:
            raise InvalidRequestError(
                f"there is no query named {read.name!r}: ask one of {', '.join(sorted(QUERIES))}",
                name=read.name,
            ) from None
        params = dict(read.params)
        wanted = params.pop("ids", None)
        if wanted is None:
            return shape(self, self._rows(read.name, params))
        return shape(self, self._rows_of(read.name, list(wanted), params)) if wanted else []

    def snapshot(self) -> Snapshot:
        """Return what the engine needs to know when it opens the file."""
        _, _, cycle, next_seq, next_claim = self._rows("select_meta")[0]
        return Snapshot(
            cycle=cycle,
            next_seq=next_seq,
            next_claim=next_claim,
            counts=self._rows("counts"),
            paused=[row[0] for row in self._rows("paused")],
            claimed=self._whole(self._rows("find_claimed")),
            sessions=[SessionInfo(*row) for row in self._rows("open_sessions")],
            answers=self._rows("answers"),
            runs=self.stored_runs(self._rows("unfinished_runs")),
            tallies=self._rows("tallies"),
            retained=self._rows("retention"),
        )

    def stored_runs(self, rows: list[Row]) -> list[StoredRun]:
        """Build runs, each with its own jobs counted."""
        counts = self._counts([row[0] for row in rows])
        return [StoredRun(run_spec(row), row[6], counts.get(row[0], {}), row[7]) for row in rows]

    def run_dicts(self, rows: list[Row]) -> list[dict[str, Any]]:
        """Build runs as dicts, each with its own jobs counted by status under `counts`."""
        counts = self._counts([row[0] for row in rows])
        return [{**as_dict(RUN_FIELDS, row), "counts": counts.get(row[0], {})} for row in rows]

    def _counts(self, run_ids: list[bytes]) -> dict[bytes, dict[str, int]]:
        counts: dict[bytes, dict[str, int]] = {}
        if run_ids:
            for run_id, status, jobs in self._rows_of("counts_of_runs", run_ids):
                counts.setdefault(run_id, {})[status] = jobs
        return counts

    def _rows(self, name: str, params: dict[str, Any] | None = None) -> list[Row]:
        rows: list[Row] = self.cursor.execute(sql(name), params or None).fetchall()
        return rows

    def _rows_of(self, name: str, wanted: Sequence[bytes], params: dict[str, Any] | None = None) -> list[Row]:
        self._wanted.fill(id=ids(wanted))
        return self._rows(name, params)

    def _whole(self, found: list[Row], max_bytes: int | None = None) -> list[StoredJob]:
        """Return the jobs with these seqs, in their order, with payload, parents and children.

        `max_bytes`: the first of them only, up to the one whose payload makes it so many bytes.
        """
        if not found:
            return []
        seqs = [row[0] for row in found]
        self._wanted_seqs.fill(seq=integers(seqs))
        if max_bytes is not None:
            sizes: dict[int, int] = dict(self._rows("payload_sizes"))
            before = [0, *accumulate(sizes[seq] for seq in seqs)]
            fitting = bisect_left(before, max_bytes)
            if fitting < len(seqs):
                seqs = seqs[: max(1, fitting)]
                self._wanted_seqs.fill(seq=integers(seqs))
        payloads: dict[int, bytes] = joined(self._rows("payloads_by_seq"))
        by_seq = stored_jobs(self._rows("rows_by_seq"), payloads)
        jobs = [by_seq[seq] for seq in seqs]
        if self._rows("has_edges"):
            self._add_edges(jobs)
        return jobs

    def _add_edges(self, jobs: list[StoredJob]) -> None:
        by_id = {job.spec.id: job for job in jobs}
        for parent, child in self._rows_of("children_of", list(by_id)):
            by_id[parent].children.append(child)
        parents: dict[bytes, list[bytes]] = {}
        for child, parent in self._rows("parents_of"):
            parents.setdefault(child, []).append(parent)
        for child, its in parents.items():
            job = by_id[child]
            job.spec = with_parents(job.spec, tuple(its))


def _plain(_: Reader, rows: list[Row]) -> list[Row]:
    return rows


def _firsts(_: Reader, rows: list[Row]) -> list[Any]:
    return [row[0] for row in rows]


def _views(_: Reader, rows: list[Row]) -> list[JobView]:
    return job_views(rows)


def _results(reader: Reader, rows: list[Row]) -> list[tuple[int, JobResult]]:
    having = [row[1] for row in rows if row[3] is not None]
    results = reader.latest_results(having) if having else {}
    return [
        (seq, JobResult(id_, status, results.get(id_), error, None, reason, name))
        for seq, id_, status, _, error, reason, name in rows
    ]


def _attempts(_: Reader, rows: list[Row]) -> list[dict[str, Any]]:
    return [as_dict(ATTEMPT_FIELDS, row) for row in rows]


# Parameters; rows. `ids` is a list, every other id one value.
QUERIES: dict[str, Callable[[Reader, list[Row]], list[Any]]] = {
    "dead_letters": _views,  # limit, queue (or None); the latest first
    "run_jobs": _views,  # id; in order of submission
    "run_results": _results,  # id, after, limit, bytes; (seq, JobResult), in order of submission
    "attempts": _attempts,  # id; dicts, oldest first
    "run": Reader.run_dicts,  # id; at most one
    "run_by_key": Reader.run_dicts,  # key; at most one, the latest
    "run_children": Reader.run_dicts,  # id
    "stored_runs": Reader.stored_runs,  # ids; these runs and all above and below them
    "purge_candidates": _plain,  # queue (or None), status, before, limit; (id, queue), oldest first
    "next_ended": _firsts,  # status, after; when the first of them after that ended, None without one
    "failed_ids": _firsts,  # queue (or None), limit; ids, oldest first
    "run_live_ids": _firsts,  # id; ids of jobs that have not ended, of it and its sub-runs
    "skipped_descendants": _firsts,  # ids; ids, in order of submission
    "expiring": _plain,  # limit; (id, when) of jobs that have not started, soonest first
    "oldest_ready": _plain,  # (queue, since when its oldest ready job could start)
    "progress": _plain,  # id; at most one (attempt, updated_at, done, total, message)
    "logs": _plain,  # id, limit; (attempt, line, logged_at, level, message)
    "task_durations": _plain,  # (task, median seconds)
}
