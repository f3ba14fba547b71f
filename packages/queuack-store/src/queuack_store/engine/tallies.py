"""What has ever happened, by queue and task: counters and histograms that a purge does not take back.

The counts change with the jobs, in the same draft and the same record; that is why they agree with the rows
after any crash. They are bounded: what comes after the first few hundred pairs is counted as "other".
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import msgspec

from queuack_store.observed import DURATIONS_S, Histogram, Tallied

if TYPE_CHECKING:
    from queuack_store.engine.entries import Job

MAX_OWN = 400  # pairs of queue and task that are counted each for itself
MAX_ALL = 500  # after MAX_OWN each queue has one more for its other tasks, up to this
OTHER = "other"
MAX_LABEL = 200  # characters kept of a task's name

ENQUEUED, STARTED, SUCCEEDED, FAILED, RETURNED, RETRIED, DEAD, CANCELLED, SKIPPED = range(9)
NAMES = ("enqueued", "started", "succeeded", "failed", "returned", "retried", "dead", "cancelled", "skipped")
BY_OUTCOME = {"done": SUCCEEDED, "failed": FAILED, "died": FAILED, "lost": FAILED, "returned": RETURNED}
BY_STATUS = {"failed": DEAD, "cancelled": CANCELLED, "skipped": SKIPPED}
_BUCKETS = len(DURATIONS_S) + 1  # the last one is for all that took longer
WAITS = len(NAMES)  # where the buckets of the waits begin; their sum follows them
RUNS = WAITS + _BUCKETS + 1
_CELLS = RUNS + _BUCKETS + 1

Cells = list[float]

_decode = msgspec.msgpack.Decoder(Cells).decode
encode_cells = msgspec.msgpack.Encoder().encode


class Tally:
    """The counts of one queue and task. `cells` is counted up in place, after `Draft.touch_tally`."""

    __slots__ = ("cells", "cycle", "queue", "task")

    def __init__(self, queue: str, task: str, cells: Cells) -> None:
        self.queue = queue
        self.task = task
        self.cells = cells
        self.cycle = -1  # the last cycle that counted here

    def shown(self) -> Tallied:
        """Return the counts with their names."""
        cells = self.cells
        counts = {name: int(cells[place]) for place, name in enumerate(NAMES)}
        return Tallied(self.queue, self.task, counts, _histogram(cells, WAITS), _histogram(cells, RUNS))


def observe(cells: Cells, start: int, seconds: float) -> None:
    """Count a duration in the buckets that begin at `start`."""
    cells[start + bisect_left(DURATIONS_S, seconds)] += 1
    cells[start + _BUCKETS] += seconds


def _histogram(cells: Cells, start: int) -> Histogram:
    return Histogram([int(n) for n in cells[start : start + _BUCKETS]], cells[start + _BUCKETS])


class Tallies:
    """All counts of a file."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Tally] = {}

    def load(self, rows: list[tuple[str, str, bytes]]) -> None:
        """Take over what is stored."""
        for queue, task, body in rows:
            cells = _decode(body)
            self._known[queue, task] = Tally(queue, task, cells + [0] * (_CELLS - len(cells)))

    def of(self, job: Job) -> Tally:
        """Return where this job is counted; the queue remembers it."""
        name, task = job.queue.name, job.spec.task
        found = self._find(name, task[:MAX_LABEL])
        if len(job.queue.tallies) < MAX_ALL:
            job.queue.tallies[task] = found
        return found

    def _find(self, queue: str, task: str) -> Tally:
        known = self._known
        for key, limit in (((queue, task), MAX_OWN), ((queue, OTHER), MAX_ALL)):
            if key in known:
                return known[key]
            if len(known) < limit:
                return self._new(*key)
        return known.get((OTHER, OTHER)) or self._new(OTHER, OTHER)

    def _new(self, queue: str, task: str) -> Tally:
        made = self._known[queue, task] = Tally(queue, task, [0] * _CELLS)
        return made

    def shown(self) -> list[Tallied]:
        """Return everything that was counted, by queue and task."""
        return [tally.shown() for _, tally in sorted(self._known.items()) if any(tally.cells)]
