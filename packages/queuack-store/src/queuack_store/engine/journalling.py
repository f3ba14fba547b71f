"""What the engine asks of a journal. The journal room keeps it for files; memory needs none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Probe = Callable[[str], None]
"""Called with the name of each step that a crash may interrupt; the tests' failpoints hook in here."""


def no_probe(point: str) -> None:
    """Do nothing: the probe of a real engine."""


class Journal(Protocol):
    """An append-only log of cycles, each whole and durable or not there."""

    def append(self, cycle: int, body: bytes, urgent: bool = False) -> None:
        """Append one record and make it durable; returns after that.

        `urgent` records (those that only end claims) may use the reserve kept for a full disk.
        Raises StorageFullError: nothing was stored, the journal goes on. Raises JournalFailedError: a
        sync failed; nothing may be acknowledged any more and the engine must end.
        """
        ...

    @property
    def size(self) -> int:
        """Bytes in the segments that are still kept."""
        ...

    def rotate(self) -> None:
        """Begin a new segment; what was written so far can then be released as a whole."""
        ...

    def release(self, cycle: int) -> None:
        """Delete the closed segments that hold nothing newer than `cycle`, which a checkpoint made safe."""
        ...

    def close(self, remove: bool) -> None:
        """Close; with `remove`, everything in it is applied and checkpointed: delete it."""
        ...

    def abandon(self) -> None:
        """Close the descriptors and leave the files as they are."""
        ...


class JournalFailedError(Exception):
    """A sync of the journal failed: the engine must end without acknowledging anything more."""


class MemoryJournal:
    """The journal of a queue in memory: it has nothing to survive for."""

    size = 0

    def append(self, cycle: int, body: bytes, urgent: bool = False) -> None:
        """Keep nothing."""

    def rotate(self) -> None:
        """Do nothing."""

    def release(self, cycle: int) -> None:
        """Do nothing."""

    def close(self, remove: bool) -> None:
        """Do nothing."""

    def abandon(self) -> None:
        """Do nothing."""
