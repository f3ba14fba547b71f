"""Keeping the windows filled from disk and within their bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queuack_store.engine import window as bounds
from queuack_store.engine.entries import Job, Run
from queuack_store.engine.reads import ReadDelayed, ReadReady
from queuack_store.engine.state import delay_key, lineage, microseconds, ready_key
from queuack_store.engine.window import LOW_WATER, REFILL_JOBS, Window
from queuack_store.states import DELAYED, PENDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from queuack_store.engine.core import Core
    from queuack_store.engine.window import Key

MIN_REFILL = 200  # rows of one refill, however many windows share; and where payloads of unknown size come
MIN_EMPTY_REFILL = 16  # rows for an empty window where all windows together are full
MIN_REFILL_BYTES = 2 << 20  # of payload, however full all windows together are
REST_S = 0.5  # after a read that failed: asked again at once it would fail again, for ever


class Refiller:
    """Orders refills for windows that run low, and lowers the frontier of those that hold too much."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._room = 0
        self._room_bytes = 0
        self._rests: dict[Window[Job], float] = {}  # windows whose read failed, until when

    def wakes_at(self) -> float | None:
        """Return when the next window has rested, None where none rests."""
        now = self._core.now
        self._rests = {window: until for window, until in self._rests.items() if until > now}
        return min(self._rests.values(), default=None)

    def balance(self) -> None:
        """Do what is due; called at the end of each cycle."""
        state = self._core.state
        if state.load.over():
            self._trim()
        partial = [q for q in state.queues.values() if q.window.frontier is not None and not q.paused]
        runs = [r for r in state.runs.values() if r.window is not None and r.window.frontier is not None]
        if state.delayed.frontier is None and not partial and not runs:
            return
        self._room = bounds.MAX_WINDOW_JOBS - state.load.entries
        self._room_bytes = bounds.MAX_WINDOW_BYTES - state.load.payload
        limit = max(MIN_REFILL, REFILL_JOBS // max(1, len(partial) + len(runs)))
        low = min(LOW_WATER, limit * 4 // 5)
        if self._is_full():  # `_rows` finds it, too, but a thousand queues feel its price in each cycle
            partial = [queue for queue in partial if not len(queue.window)]
        for queue in partial:
            rows = self._rows(queue.window, low, limit)
            if rows:
                read = ReadReady(queue.name, None, _key(queue.window), rows, self._bytes())
                self._order(queue.window, read, ready_key, _of_queue(queue))
        for run in runs:
            assert run.window is not None
            rows = self._rows(run.window, low, limit)
            if rows:
                read = ReadReady(None, run.spec.id, _key(run.window), rows, self._bytes())
                self._order(run.window, read, ready_key, _of_run(run))
        rows = self._rows(state.delayed, low, limit)
        if rows:
            after = state.delayed.frontier
            due = (after[0] / 1_000_000, after[1]) if after is not None and after[1] >= 0 else None
            read_due = ReadDelayed(due, rows, self._bytes())
            self._order(state.delayed, read_due, delay_key, lambda job: job.status is DELAYED)

    def _is_full(self) -> bool:
        """Return whether all windows together lack room for as many jobs as a read is worth."""
        return self._room < max(1, bounds.MAX_WINDOW_JOBS // 100)

    def _bytes(self) -> int:
        return max(MIN_REFILL_BYTES, self._room_bytes)

    def _rows(self, window: Window[Job], low: int, limit: int) -> int:
        """Return how many rows to fetch for a window: none where it has enough, or all windows together do.

        An empty one always gets some: whoever waits for its jobs must have them.
        """
        if not window.wants_refill(low) or self._rests.get(window, 0.0) > self._core.now:
            return 0
        if self._is_full() and len(window):
            return 0
        if window.typical is None:
            rows = min(limit, MIN_REFILL)  # 10,000 rows of a megabyte each would be too much to find it out
        else:
            rows = min(limit, self._room_bytes // max(1, window.typical))
        rows = min(rows, self._room)
        if len(window) == 0:
            rows = max(rows, min(limit, MIN_EMPTY_REFILL))
        if rows <= 0:
            return 0
        self._room -= rows
        self._room_bytes -= rows * (window.typical or 0)
        return rows

    def _order(
        self, window: Window[Job], read: Any, key_of: Callable[[Job], Key], mine: Callable[[Job], bool]
    ) -> None:
        """Read the rows after the frontier; memory knows better of those that changed since."""
        core, asked, since, moves = self._core, window.frontier, self._core.state.applied, window.moves
        window.loading = True

        def rows_came(rows: Any) -> None:
            window.loading = False
            if isinstance(rows, BaseException):
                self._rests[window] = core.now + REST_S
                return
            if window.moves != moves:
                return  # trimmed or paused meanwhile: ordered again where still wanted
            size = sum(len(row.spec.payload) for row in rows)
            if rows:
                window.typical = size // len(rows)
            purged = core.state.purged
            # A run's jobs in a paused queue are passed over: when it goes on, the run's window begins anew.
            wanted = (r for r in rows if r.status != PENDING or not core.state.queue(r.spec.queue).paused)
            jobs = [core.state.adopt(row) for row in wanted if row.spec.id not in purged]
            more = len(rows) == read.limit or size >= read.max_bytes
            window.frontier = key_of_row(rows[-1], key_of) if more else None
            seen = {job.id for job in jobs}
            # What changed after the rows may have been read, not only what DuckDB lacks by now.
            dirty = [j for j in core.state.jobs.values() if j.id not in seen and j.cycle > since]
            assert asked is not None
            for job in jobs + dirty:
                if mine(job) and key_of(job) > asked and window.offer(key_of(job), job):
                    core.state.fed.add(job.queue.name)

        core.lookup.read(read, rows_came)

    def _trim(self) -> None:
        """Halve the largest window: the worse half is on disk and comes back when its turn is near.

        One that got far too much at once keeps no more than half of what all may hold.
        """
        state = self._core.state
        windows = [q.window for q in state.queues.values()] + [state.delayed]
        windows += [r.window for r in state.runs.values() if r.window is not None]
        largest = max(windows, key=len if state.load.entries > state.load.payload // 800 else Window.payload)
        kept = max(1, min(len(largest), bounds.MAX_WINDOW_JOBS) // 2)
        state.forget_clean(largest.keep_best(kept), self._core.lookup.floor())


def key_of_row(row: Any, key_of: Callable[[Job], Key]) -> Key:
    """Return the place of a row as it was read, whatever became of its job since."""
    if key_of is ready_key:
        return (-row.priority, row.seq)
    return (microseconds(row.execute_after), row.seq)


def _key(window: Window[Job]) -> tuple[int, int] | None:
    after = window.frontier
    return None if after is None or after[1] < 0 else (int(after[0]), after[1])


def _of_queue(queue: Any) -> Callable[[Job], bool]:
    return lambda job: job.status is PENDING and job.queue is queue


def _of_run(run: Run) -> Callable[[Job], bool]:
    return lambda job: job.status is PENDING and run in lineage(job.run)
