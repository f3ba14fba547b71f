"""A pool as others see it: its state and its children, as plain data that any thread may read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queuack_worker.events import Event


@dataclass(frozen=True, slots=True)
class ChildView:
    """One child. `number`: its place in the pool, from 1. `running`: jobs that run in it now."""

    number: int
    pid: int
    ready: bool
    leaving: bool
    running: int


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool now.

    state: "running", "draining", "stopping" or "failed". paused: which limit of the machine keeps it from
    claiming. silent_s: how long ago its supervisor last went round.
    """

    state: str
    paused: str | None
    silent_s: float
    children: tuple[ChildView, ...]


class EventCounts:
    """A listener that counts a pool's events by name."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def note(self, event: Event) -> None:
        """Count one."""
        self._counts[event.name] += 1

    def of(self, name: str) -> int:
        """Return how often this event was told."""
        return self._counts[name]
