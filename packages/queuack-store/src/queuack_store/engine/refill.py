"""Keeping the windows filled from disk and within their bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queuack_store.engine import window as bounds
from queuack_store.engine.entries import Job, Queue
from queuack_store.engine.reads import ReadDelayed, ReadReady
from queuack_store.engine.state import delay_key, lineage, microseconds, ready_key
from queuack_store.engine.window import LOW_WATER, REFILL_JOBS, Window
from queuack_store.states import DELAYED, PENDING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
        partial = state.load.partial
        if not partial:
            return
        self._room = bounds.MAX_WINDOW_JOBS - state.load.entries
        self._room_bytes = bounds.MAX_WINDOW_BYTES - state.load.payload
        limit = max(MIN_REFILL, REFILL_JOBS // len(partial))
        low = min(LOW_WATER, limit * 4 // 5)
        for window in list(self._drained() if self._is_full() else partial):
            if isinstance(window.of, Queue) and window.of.paused:
                continue
            rows = self._rows(window, low, limit)
            if rows:
                self._order(window, rows)

    def _drained(self) -> Iterable[Window[Job]]:
        """Return the windows that ran empty: all that get any rows while all together are full."""
        drained = self._core.state.load.drained
        for window in [window for window in drained if len(window)]:
            del drained[window]  # filled meanwhile
        return drained

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

    def _order(self, window: Window[Job], rows: int) -> None:
        """Read the rows after the frontier of a queue's window, a run's, or that of all delayed jobs."""
        of, after, size = window.of, window.frontier, self._bytes()
        known = None if after is None or after[1] < 0 else after
        if of is None:
            due = known and (known[0] / 1_000_000, known[1])
            self._read(window, ReadDelayed(due, rows, size), delay_key, lambda job: job.status is DELAYED)
            return
        key = known and (int(known[0]), known[1])
        if isinstance(of, Queue):
            read = ReadReady(of.name, None, key, rows, size)
            self._read(window, read, ready_key, lambda job: job.status is PENDING and job.queue is of)
        else:
            read = ReadReady(None, of.spec.id, key, rows, size)
            mine = lambda job: job.status is PENDING and of in lineage(job.run)  # noqa: E731
            self._read(window, read, ready_key, mine)

    def _read(
        self, window: Window[Job], read: Any, key_of: Callable[[Job], Key], mine: Callable[[Job], bool]
    ) -> None:
        """Read the rows; memory knows better of those that changed since."""
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
        """Halve the largest windows: their worse halves are on disk and come back when their turn is near.

        One that got far too much at once keeps no more than half of what all may hold.
        """
        state = self._core.state
        windows = [q.window for q in state.queues.values()] + [state.delayed]
        windows += [r.window for r in state.runs.values() if r.window is not None]
        size = len if state.load.entries > state.load.payload // 800 else Window.payload
        for window in sorted(windows, key=size, reverse=True):
            if not state.load.over():
                break
            kept = max(1, min(len(window), bounds.MAX_WINDOW_JOBS) // 2)
            state.forget_clean(window.keep_best(kept), self._core.lookup.floor())


def key_of_row(row: Any, key_of: Callable[[Job], Key]) -> Key:
    """Return the place of a row as it was read, whatever became of its job since."""
    if key_of is ready_key:
        return (-row.priority, row.seq)
    return (microseconds(row.execute_after), row.seq)
