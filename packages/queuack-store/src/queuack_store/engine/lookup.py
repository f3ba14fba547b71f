"""Rows that are not in memory: what is being read, for whom, and how a request goes on with them.

A handler says what it needs. Where that is on disk only it is tried again when the rows have come;
meanwhile nothing is forgotten that changed since the read was asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from queuack_store import ids
from queuack_store.engine.entries import Job, Run
from queuack_store.engine.inbox import Ask
from queuack_store.engine.reads import Read, ReadJobs, ReadQuery, StoredRun
from queuack_store.engine.state import Missing, State
from queuack_store.errors import UnknownJobError

logger = logging.getLogger("queuack.engine")

GoOn = Callable[[Any], None]


class Loaded(NamedTuple):
    """The result of a read (or the error it ended with) on its way back to the core."""

    token: int
    value: Any


class _Pending(NamedTuple):
    go_on: GoOn
    ask: Ask | None
    pin: int | None  # the applied cycle when it was asked: later changes stay in memory until it is back
    visit: bool = False  # it brings visitors, and may need those that have come already


class Lookup:
    """The reads under way, and what is known to be absent."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._token = 0
        self._pending: dict[int, _Pending] = {}
        self._asked: list[tuple[int, Read]] = []  # in this cycle
        self._unsent: list[tuple[int, Read]] = []  # asked in a cycle that was taken back
        self._taken: list[tuple[int, _Pending]] = []  # answered in this cycle
        self._visitors: list[Job] = []  # loaded for a request; forgotten when none waits any more
        self._absent: set[bytes] = set()
        self._absent_keys: set[str] = set()
        self._run_keys: dict[str, bytes] = {}

    # -- what handlers ask -----------------------------------------------------------------------

    def jobs(self, wanted: Iterable[bytes], strict: bool = True) -> list[Job]:
        """Return jobs by id, in order; those that don't exist are left out unless `strict`.

        Raises:
            Missing: some must be read first. UnknownJobError: there is no such job (`strict` only).
        """
        known, found, missing = self._state.jobs, [], []
        for job_id in wanted:
            job = known.get(job_id)
            if job is not None:
                found.append(job)
            elif job_id not in self._absent:
                missing.append(job_id)
            elif strict:
                text = ids.to_text(job_id)
                raise UnknownJobError(f"there is no job {text}: it never existed or was purged", id=text)
        if missing:
            raise Missing(missing)
        return found

    def is_absent(self, job_id: bytes) -> bool:
        """Return whether a read has shown that there is no such job."""
        return job_id in self._absent

    def runs(self, wanted: Iterable[bytes]) -> None:
        """Make sure that runs are in memory.

        Raises:
            Missing: some must be read first.
        """
        missing = {run_id for run_id in wanted if run_id not in self._state.runs}
        if missing - self._absent:
            raise Missing(runs=missing - self._absent)

    def run_by_key(self, key: str) -> bytes | None:
        """Return the run that was submitted under a key.

        Raises:
            Missing: it must be looked up first.
        """
        if key in self._run_keys:
            return self._run_keys[key]
        if key in self._absent_keys:
            return None
        raise Missing(key=key)

    def appeared(self, ids: Iterable[bytes]) -> None:
        """Note that jobs or runs came into being."""
        if self._absent:
            self._absent.difference_update(ids)

    def remember_key(self, run: Run) -> None:
        """Note the key of a new run."""
        self.appeared([run.spec.id])
        key = run.spec.key
        if key is not None:
            self._run_keys[key] = run.spec.id
            self._absent_keys.discard(key)
            self._state.draft.on_rollback(lambda: self._run_keys.pop(key, None))

    def forget_key(self, run: Run) -> None:
        """Drop the key of a run that has ended and is on disk."""
        self._run_keys.pop(run.spec.key or "", None)

    # -- reads -----------------------------------------------------------------------------------

    def read(
        self, read: Read, go_on: GoOn, ask: Ask | None = None, pin: bool = True, visit: bool = False
    ) -> None:
        """Ask for rows; `go_on` is called with them in a later cycle (without `ask`: with an error too)."""
        self._token += 1
        self._asked.append((self._token, read))
        self._pending[self._token] = _Pending(go_on, ask, self._state.applied if pin else None, visit)

    def fetch(
        self, missing: Missing, ask: Ask | None = None, go_on: Callable[[], None] | None = None
    ) -> None:
        """Read the jobs, runs or key that are missing, then go on."""
        after = self._state.draft.cycle - 1
        if missing.key:
            read: Read = ReadQuery("run_by_key", {"key": missing.key}, after)
            take: GoOn = lambda rows: self._take_key(missing.key, rows)  # noqa: E731
        elif missing.runs:
            read = ReadQuery("stored_runs", {"ids": missing.runs}, after)
            take = lambda rows: self._take_runs(missing.runs, rows)  # noqa: E731
        else:
            read = ReadJobs(missing.jobs)
            take = lambda rows: self._take_jobs(missing.jobs, rows)  # noqa: E731

        def came(rows: Any) -> None:
            if not isinstance(rows, BaseException):
                take(rows)
                if go_on is not None:
                    go_on()

        self.read(read, came, ask, visit=True)

    def _take_jobs(self, wanted: list[bytes], rows: list[Any]) -> None:
        there = [row for row in rows if row.spec.id not in self._state.purged]
        self._visitors += [self._state.adopt(row) for row in there]
        self._absent.update(set(wanted) - {row.spec.id for row in there} - self._state.jobs.keys())

    def _take_runs(self, wanted: list[bytes], rows: list[StoredRun]) -> None:
        self._absent.update(set(wanted) - {row.spec.id for row in rows} - self._state.runs.keys())
        self.load_runs([row for row in rows if row.spec.id not in self._state.runs])

    def _take_key(self, key: str, rows: list[Any]) -> None:
        for row in rows:
            self._run_keys[key] = row["id"]
        if key not in self._run_keys:
            self._absent_keys.add(key)

    def load_runs(self, rows: list[StoredRun]) -> None:
        """Bring runs into memory, their counts added to the runs they are part of."""
        runs = self._state.runs
        for row in rows:
            run = runs[row.spec.id] = Run(row.spec, row.created_at, None)
            run.status = row.status
            if row.spec.key is not None:
                self._run_keys[row.spec.key] = row.spec.id
        for row in rows:
            runs[row.spec.id].parent = runs.get(row.spec.parent_id or b"")
        for row in rows:
            above: Run | None = runs[row.spec.id]
            while above is not None:
                for status, count in row.counts.items():
                    above.counts[status] = above.counts.get(status, 0) + count
                above = above.parent

    # -- the life of a cycle ---------------------------------------------------------------------

    def begin(self) -> None:
        """Begin a cycle."""
        self._asked, self._unsent, self._taken = self._unsent, [], []

    def take(self, loaded: Loaded) -> tuple[GoOn, Ask | None] | None:
        """Return how the request goes on that waits for this, or None where nobody does any more."""
        waiting = self._pending.pop(loaded.token, None)
        if waiting is None:
            return None
        self._taken.append((loaded.token, waiting))
        return waiting.go_on, waiting.ask

    def finish(self) -> None:
        """End a cycle: visitors go, and what was found absent is forgotten, when nobody waits for more."""
        if any(waiting.visit for waiting in self._pending.values()):
            return
        self._absent.clear()
        self._absent_keys.clear()
        if self._visitors:
            self._visitors = self._state.forget_clean(self._visitors, self.floor())

    def floor(self) -> int:
        """Return the cycle up to which memory may forget what DuckDB has."""
        waiting = [*self._pending.values(), *(taken for _, taken in self._taken)]  # a cycle may be taken back
        return min((w.pin for w in waiting if w.pin is not None), default=self._state.applied)

    def open_reads(self) -> list[tuple[int, Read]]:
        """Return the reads asked in this cycle that somebody still waits for."""
        return [(token, read) for token, read in self._asked if token in self._pending]

    def rollback(self) -> list[Ask]:
        """Take the cycle back: its requests will ask again; refills it ordered go on.

        Returns the requests that wait again for the rows that this cycle had taken.
        """
        self._pending.update(self._taken)
        self._absent.clear()  # what is read again is found absent again
        self._absent_keys.clear()
        for token, read in self._asked:
            if token not in self._pending:
                continue
            if self._pending[token].ask is not None:
                del self._pending[token]
            else:
                self._unsent.append((token, read))
        self._asked = []
        return [waiting.ask for _, waiting in self._taken if waiting.ask is not None]

    def look_again(self, jobs: Iterable[Job]) -> None:
        """Forget these jobs, too, when nobody waits for rows: their cycle is taken back."""
        self._visitors += jobs

    def drop(self, session: bytes) -> list[Ask]:
        """Forget the reads that a session's requests wait for; return those requests."""
        mine = {t: w.ask for t, w in self._pending.items() if w.ask is not None and w.ask.session == session}
        for token in mine:
            del self._pending[token]
        return list(mine.values())

    def give_up(self, token: int) -> Ask | None:
        """Forget a read; return the ask that waited for it."""
        waiting = self._pending.pop(token, None)
        return None if waiting is None else waiting.ask

    def waiting_asks(self) -> list[Ask]:
        """Return the asks that wait for rows."""
        return [waiting.ask for waiting in self._pending.values() if waiting.ask is not None]
