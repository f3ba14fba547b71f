"""Writes log lines whole where several processes share one pipe.

A pipe keeps only writes of up to 4,096 bytes (PIPE_BUF) together: into a longer line, such as one with a
traceback, another process's line could fall. So each process locks the pipe while it writes a line.
"""

from __future__ import annotations

import fcntl
import logging
import os
import stat
import threading
from contextlib import suppress
from typing import TextIO

TRY_S = 0.01
TRIES = 100  # so a line that must not wait comes after a second, even into another line


class WholeLines(logging.StreamHandler[TextIO]):
    """Writes each record in one piece to a stream that other processes of the pool write to.

    Args:
        stream: where to. Only pipes and sockets are locked; files and terminals need it not.
        waits: wait as long as another process writes. False: a second at most, for a process that must stay
            responsive while another was stopped in the middle of a line.
    """

    def __init__(self, stream: TextIO, waits: bool = True) -> None:
        super().__init__(stream)
        self._waits = waits
        self._shared = _is_pipe(stream)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        if not self._shared:
            super().emit(record)
            return
        try:
            line = self.format(record) + self.terminator  # before the lock: it may call a job's code
            fd = self.stream.fileno()
            try:
                self._lock(fd)  # inside, as a job's interrupt may come just after it
                self.stream.write(line)
                self.stream.flush()
            finally:
                with suppress(OSError):
                    fcntl.lockf(fd, fcntl.LOCK_UN)
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)

    def _lock(self, fd: int) -> None:
        """Lock the pipe for this process; the kernel unlocks it where the process dies."""
        with suppress(OSError):  # a system that can't lock pipes
            if self._waits:
                fcntl.lockf(fd, fcntl.LOCK_EX)
                return
            for _ in range(TRIES):
                try:
                    fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                except BlockingIOError:
                    threading.Event().wait(TRY_S)


def _is_pipe(stream: TextIO) -> bool:
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
