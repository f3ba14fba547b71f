"""What a process knows to have happened: one append-only log, written before it sends and after it hears.

Times are the monotonic clock's, which all processes of a machine share.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from queuack_store.clock import monotonic


class Event(msgspec.Struct, omit_defaults=True):
    """One thing that happened.

    what: sent, acked (enqueues); claimed, started, ended (a job's run); finishing (before its report is
    sent), finished (after the reply: `ok` says whether it was accepted); returned (handed back).
    """

    what: str
    at: float
    job: str = ""
    claim: int = 0
    kind: str = ""
    ok: bool = True
    queue: str = ""
    parents: list[str] = []
    max_attempts: int = 0


_decoder = msgspec.json.Decoder(Event)


class History:
    """The log of one process; safe to use from many threads."""

    def __init__(self, path: Path, sync: bool = True) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._lock = threading.Lock()
        self._sync = sync

    def note(self, what: str, jobs: Iterable[str], **facts: Any) -> None:
        """Write an event of each job, all in one write, and make them durable."""
        at = monotonic()
        lines = [msgspec.json.encode(Event(what, at, job, **facts)) + b"\n" for job in jobs]
        self.write(lines)

    def write(self, lines: Iterable[bytes]) -> None:
        """Append encoded events."""
        with self._lock:
            os.write(self._fd, b"".join(lines))
            if self._sync:
                os.fsync(self._fd)

    def close(self) -> None:
        """Close the log."""
        os.close(self._fd)


def read(path: Path) -> Iterator[Event]:
    """Yield the events of a log; a last line that was cut off is passed over."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield _decoder.decode(line)
