"""The owner's log: a few lines beside the file, shortened in place, never in the way."""

from __future__ import annotations

import os

from queuack_store.clock import to_datetime, wall

MAX_LOG_BYTES = 256 << 10
KEPT_LOG_BYTES = 64 << 10  # what is left when it is shortened
TAIL_BYTES = 2_000  # what an error quotes


def open_log(path: str) -> int:
    """Open the log for appending, shortened where it has grown; a descriptor of nothing where it can't be."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
        _shorten(descriptor)
    except OSError:  # a full disk must not keep the owner from saying so to its client
        return os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    return descriptor


def _shorten(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    if size <= MAX_LOG_BYTES:
        return
    kept = os.pread(descriptor, KEPT_LOG_BYTES, size - KEPT_LOG_BYTES)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, kept[kept.find(b"\n") + 1 :])


def tail(path: str) -> str:
    """Return the last lines of a log, or "" where there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            return file.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""


class OwnerLog:
    """Writes lines of time, pid and text to a descriptor; `shortens` where that is a log of `open_log`."""

    def __init__(self, descriptor: int, *, shortens: bool = False) -> None:
        self._descriptor = descriptor
        self._shortens = shortens
        self._lines = 0

    def note(self, line: str) -> None:
        """Write one line; a log that can't be written is passed over."""
        moment = to_datetime(wall())
        assert moment is not None
        text = f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z {os.getpid()} {line}\n"
        try:
            os.write(self._descriptor, text.encode("utf-8", "replace"))
            self._lines += 1
            if self._shortens and self._lines % 100 == 0:
                _shorten(self._descriptor)
        except OSError:
            pass
