"""The only file that reads a clock.

Within one engine the time runs on the monotonic clock, anchored to the wall clock once at the start:
a wall clock that jumps neither fires a delay early nor holds one back.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the engine asks for the time."""

    def now(self) -> float:
        """Return seconds since the epoch (UTC), never going backwards within one engine."""
        ...


class SystemClock:
    """The machine's clock, read as wall time once and as monotonic time from then on."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Return seconds since the epoch (UTC)."""
        return time.monotonic() + self._offset


def wall() -> float:
    """Return the wall clock: for ids and log lines, never for decisions."""
    return time.time()


def monotonic() -> float:
    """Return the monotonic clock: for durations and time-outs."""
    return time.monotonic()


def to_datetime(seconds: float | None) -> datetime | None:
    """Turn engine time into an aware UTC datetime."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
