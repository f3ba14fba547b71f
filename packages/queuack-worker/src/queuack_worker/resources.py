"""What the machine has left: past its limits a worker claims nothing. The only room that knows psutil."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queuack_worker.events import Events

LOOK_S = 0.5  # between two looks at the machine
AGAIN_S = 5.0  # a reason that lasts is told again: its figures change, and a new owner has not heard it


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a machine's use; None does not limit.

    max_memory_percent: of the machine's memory in use. max_load: 1-minute load per core.
    min_disk_free: bytes free where `folder` is.
    """

    max_memory_percent: float | None = None
    max_load: float | None = None
    min_disk_free: int | None = None
    folder: str = "."

    def exceeded(self) -> str | None:
        """Return which limit is passed, with the figures, or None."""
        import psutil

        if self.max_memory_percent is not None:
            used = psutil.virtual_memory().percent
            if used > self.max_memory_percent:
                return f"memory {used:.0f}% used, limit {self.max_memory_percent:g}%"
        if self.max_load is not None:
            load = psutil.getloadavg()[0] / (os.cpu_count() or 1)
            if load > self.max_load:
                return f"load {load:.2f} per core, limit {self.max_load:g}"
        if self.min_disk_free is not None:
            free = psutil.disk_usage(self.folder).free
            if free < self.min_disk_free:
                return f"disk has {free >> 20} MB free, limit {self.min_disk_free >> 20} MB"
        return None


class Guard:
    """Holds a worker's claims back while the machine is past its limits, and says so.

    Args:
        events: told `claims_paused` (with the `reason`) and `claims_resumed`.
        pause, resume: what they do to the claims; `pause` is given the reason, every few seconds anew.

    Attributes:
        paused: which limit is passed, with the figures; None while jobs are claimed.
    """

    def __init__(
        self, limits: Limits, events: Events, pause: Callable[[str], object], resume: Callable[[], object]
    ) -> None:
        self.paused: str | None = None
        self._limits = limits
        self._events = events
        self._pause = pause
        self._resume = resume
        self._due = 0.0
        self._again_at = 0.0

    def mind(self, now: float) -> float:
        """Look at the machine where that is due; return when it is due again (monotonic seconds)."""
        if now < self._due:
            return self._due
        self._due = now + LOOK_S
        before, self.paused = self.paused, self._limits.exceeded()
        if self.paused is not None and (before is None or now >= self._again_at):
            self._again_at = now + AGAIN_S
            self._pause(self.paused)
        if self.paused is not None and before is None:
            self._events.emit("claims_paused", logging.WARNING, reason=self.paused)
        elif self.paused is None and before is not None:
            self._resume()
            self._events.emit("claims_resumed")
        return self._due


@dataclass(frozen=True, slots=True)
class Used:
    """What a process uses: resident bytes now, and seconds of CPU so far."""

    rss: int
    cpu_s: float


def used_by(pid: int) -> Used | None:
    """Return what a process of this user uses; None where it has ended."""
    import psutil

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            return Used(process.memory_info().rss, times.user + times.system)
    except psutil.Error:
        return None
