"""The part of an order that is in memory: the best few thousand, up to a frontier.

Everything better than or equal to the frontier is in the window; everything worse is on disk only and
is fetched as the window drains. Entries are dropped lazily: one whose job has moved on is passed over
when it comes up, so nothing is ever searched for.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

MAX_WINDOW_JOBS = 20_000  # over all windows: about 10 MB of job objects
MAX_WINDOW_BYTES = 16 << 20  # of payload over all windows
REFILL_JOBS = 10_000  # rows per refill: 10 ms of scan is shared by so many
LOW_WATER = 8_000  # refill well ahead of need: a quarter of a second of 30,000 jobs/s

T = TypeVar("T")
Key = tuple[float, int]
NOTHING: Key = (float("-inf"), -1)  # a frontier that covers nothing


class Load:
    """How much all windows hold together, and which of them lack something; shared by them."""

    __slots__ = ("drained", "entries", "partial", "payload")

    def __init__(self) -> None:
        self.entries = 0
        self.payload = 0
        self.partial: dict[Window[Any], None] = {}  # those that have a frontier
        self.drained: dict[Window[Any], None] = {}  # those of them that ran empty, some filled since

    def over(self) -> bool:
        """Return whether the windows hold more than they may."""
        return self.entries > MAX_WINDOW_JOBS or self.payload > MAX_WINDOW_BYTES


class Window(Generic[T]):
    """A heap of the best jobs of one order."""

    __slots__ = (
        "_frontier",
        "_heap",
        "_live",
        "_load",
        "_payload",
        "_size_of",
        "loading",
        "moves",
        "of",
        "typical",
    )

    def __init__(
        self, load: Load, live: Callable[[T, Key], bool], size_of: Callable[[T], int], of: Any = None
    ) -> None:
        self.of = of  # the queue or the run whose jobs they are, where they are one's
        self._heap: list[tuple[float, int, T]] = []
        self._load = load
        self._live = live  # whether an entry's job still stands under this key
        self._size_of = size_of
        self._payload = 0
        self._frontier: Key | None = None
        self.loading = False  # a refill is under way
        self.moves = 0  # how often the frontier was lowered: rows that were asked before are of no use then
        self.typical: int | None = None  # bytes of payload of a job, as the last refill or trim found them

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def frontier(self) -> Key | None:
        """The key up to which all jobs are in memory; None: everything is."""
        return self._frontier

    @frontier.setter
    def frontier(self, key: Key | None) -> None:
        self._frontier = key
        if key is None:
            self._load.partial.pop(self, None)
            self._load.drained.pop(self, None)
        else:
            self._load.partial[self] = None
            self._note_drained()

    def _note_drained(self) -> None:
        if not self._heap and self._frontier is not None:
            self._load.drained[self] = None

    def covers(self, key: Key) -> bool:
        """Return whether a job with this key belongs in memory."""
        return self._frontier is None or key <= self._frontier

    def offer(self, key: Key, job: T) -> bool:
        """Take the job in where the window covers it; say whether it did."""
        if self._frontier is not None and key > self._frontier:
            return False
        heapq.heappush(self._heap, (key[0], key[1], job))
        size = self._size_of(job)
        self._payload += size
        self._load.entries += 1
        self._load.payload += size
        return True

    def peek(self) -> T | None:
        """Return the best job, or None where there is none in memory."""
        heap = self._heap
        while heap:
            first, second, job = heap[0]
            if self._live(job, (first, second)):
                return job
            self.pop()
        return None

    def best(self) -> Key | None:
        """Return the key of the best job, or None."""
        return self._heap[0][:2] if self.peek() is not None else None

    def pop(self) -> None:
        """Drop the first entry: the job that `peek` gave."""
        job = heapq.heappop(self._heap)[2]
        self._forget(job)
        self._note_drained()

    def _forget(self, job: T) -> None:
        size = self._size_of(job)
        self._payload -= size
        self._load.entries -= 1
        self._load.payload -= size

    def wants_refill(self, low: int) -> bool:
        """Return whether more should be fetched from disk now: fewer than `low` are left here."""
        return self._frontier is not None and not self.loading and len(self._heap) < low

    def entries(self) -> Iterator[T]:
        """Iterate over all entries' jobs, stale ones included, in no order."""
        return (entry[2] for entry in self._heap)

    def keep_best(self, count: int) -> list[T]:
        """Keep the best `count` jobs, lower the frontier to the last of them, and return the others."""
        entries = sorted({e[:2]: e for e in self._heap if self._live(e[2], e[:2])}.values(), key=_key)
        kept, dropped = entries[:count], entries[count:]
        if self._heap:
            self.typical = max(self.typical or 0, self._payload // len(self._heap))
        self.clear()
        for entry in kept:
            self.offer(entry[:2], entry[2])
        if dropped:
            self.moves += 1
            self.frontier = kept[-1][:2] if kept else NOTHING
        return [entry[2] for entry in dropped]

    def drop(self) -> None:
        """Drop everything: it is on disk, and fetched from there when it is wanted."""
        self.clear()
        self.moves += 1
        self.frontier = NOTHING

    def clear(self) -> None:
        """Drop all entries; the frontier stays."""
        for entry in self._heap:
            self._forget(entry[2])
        self._heap.clear()
        self._note_drained()

    def payload(self) -> int:
        """Return the bytes of payload in this window."""
        return self._payload


def _key(entry: tuple[Any, ...]) -> Key:
    return (entry[0], entry[1])
