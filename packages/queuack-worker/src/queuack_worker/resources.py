"""What the machine has left: past these limits a worker claims nothing. The only room that knows psutil."""

from __future__ import annotations

import os
from dataclasses import dataclass


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

    def any(self) -> bool:
        """Whether there is a limit at all."""
        return not (self.max_memory_percent is self.max_load is self.min_disk_free is None)

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
