"""Clocks for tests: one that stands still until it is told to go on, and a wall clock that jumps."""

from __future__ import annotations

import threading
import time

from queuack_store import clock


class ManualClock:
    """A `Clock` whose time only a test moves. Safe to use from several threads.

    An engine that sleeps does not notice by itself that the time was moved: it reads the clock in its next
    cycle, so send it any request after `advance`.
    """

    def __init__(self, start: float = 1_750_000_000.0) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return the seconds since the epoch (UTC) that the test has set."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> float:
        """Move on by so many seconds (0 or more) and return the new time."""
        if seconds < 0:
            raise ValueError("the engine's time never goes backwards")
        with self._lock:
            self._now += seconds
            return self._now


class WildWall:
    """Stands in for the module `time`: a wall clock set forward, or back, at every reading in turn."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self, *jumps_s: float) -> None:
        self._jumps = jumps_s
        self._readings = 0

    def time(self) -> float:
        """Return the wall clock, moved by the next of the jumps."""
        self._readings += 1
        return time.time() + self._jumps[(self._readings - 1) % len(self._jumps)]

    def install(self) -> None:
        """Have this process read it from now on; there is no way back."""
        clock.__dict__["time"] = self
