"""Places in an engine where its process may be killed: a probe that does so at the n-th time it comes by."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial

from queuack_store import opening
from queuack_store.engine import loop

POINTS = (
    "engine.decided",
    "journal.written",
    "journal.synced",
    "engine.replied",
    "duckdb.applied",
    "journal.rotated",
    "duckdb.checkpointed",
    "journal.released",
)
ANY = "*"


class KillAt:
    """A `Probe` that kills its own process, as a power cut would, at the n-th hit of a point (or of any)."""

    def __init__(self, point: str, hit: int) -> None:
        if point != ANY and point not in POINTS:
            raise ValueError(f"{point!r} is no failpoint: give one of {', '.join(POINTS)} or {ANY!r}")
        self.point = point
        self.left = hit
        self._lock = threading.Lock()  # the engine's and the applier's threads come by

    def __call__(self, point: str) -> None:
        """Count a hit."""
        if self.point in (point, ANY):
            with self._lock:
                self.left -= 1
                if self.left <= 0:
                    os.kill(os.getpid(), signal.SIGKILL)

    @classmethod
    def parse(cls, text: str) -> KillAt:
        """Make one of "point:hit", as a command line gives it."""
        point, _, hit = text.rpartition(":")
        return cls(point, int(hit))


def install(probe: KillAt | None = None, checkpoint_always: bool = False) -> None:
    """Have every engine that this process opens from now on use the probe, and checkpoint after each batch.

    For processes that a test starts; there is no way back.
    """
    if probe is not None:
        opening.open_engine = partial(opening.open_engine, probe=probe)
    if checkpoint_always:
        loop.MAX_JOURNAL_BYTES = 1
