"""Places in an engine where its process may be killed: a probe that does so at the n-th time it comes by.

Owner processes that a test has started take theirs from a list beside the file.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from queuack_store import opening
from queuack_store.engine import loop
from queuack_store.sharing import spawning
from queuack_store.testing.clock import WildWall

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


def start_doomed_owners() -> None:
    """Have every owner process that this process starts from now on take its failpoint from `doom`'s list."""
    spawning.BOOT = str(Path(__file__).with_name("doomed.py"))


def doom(db_path: str | Path, plans: Iterable[str]) -> None:
    """List what becomes of the next owners of a file, a line each; after the last, owners live again.

    "point:hit" kills one there; "point:hit always" has it checkpoint after each batch as well.
    "wall:3600,-3600" lets it live, with a wall clock that jumps so at every reading in turn.
    """
    _list(db_path).write_text("".join(f"{plan}\n" for plan in plans))


def doomed(db_path: str | Path) -> tuple[int, list[int]]:
    """Return how many plans are left, and the pids of the owners that took one."""
    files = (_list(db_path), _taken(db_path))
    plans, pids = (file.read_text().splitlines() if file.exists() else [] for file in files)
    return len(plans), [int(pid) for pid in pids]


def take_doom(db_path: str) -> None:
    """Take the next line of the list, in an owner: it holds the file's lock, so nobody else does."""
    lines = _list(db_path).read_text().splitlines() if _list(db_path).exists() else []
    if not lines:
        return
    with _taken(db_path).open("a") as taken:
        taken.write(f"{os.getpid()}\n")
    _list(db_path).write_text("".join(f"{line}\n" for line in lines[1:]))
    plan, _, always = lines[0].partition(" ")
    if plan.startswith("wall:"):
        WildWall(*map(float, plan.removeprefix("wall:").split(","))).install()
        return
    install(KillAt.parse(plan), bool(always))


def _list(db_path: str | Path) -> Path:
    return Path(f"{db_path}.doom")


def _taken(db_path: str | Path) -> Path:
    return Path(f"{db_path}.doomed")
