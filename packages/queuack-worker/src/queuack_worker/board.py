"""A page of memory shared with the supervisor: what each runner of a child is running right now.

A child whose job holds the interpreter for ever can't say anything; its supervisor reads it here. One
row per runner, written by that runner alone: claim, start (monotonic), timeout, interrupt, job id, thread.
"""

from __future__ import annotations

import mmap
import os
from typing import NamedTuple

from queuack_store.clock import monotonic
from queuack_store.jobs import ClaimedJob

ROW_BYTES = 64
HEAD_BYTES = ROW_BYTES
_WORDS = ROW_BYTES // 8


class Running(NamedTuple):
    """One job as the board shows it. Times are monotonic seconds, the same clock in every process."""

    id: bytes
    claim: int
    began_at: float
    timeout_s: float  # 0: none
    interrupted_at: float  # 0: not interrupted
    thread: int  # the kernel's number of the thread that is at work on it; 0: it is a coroutine that waits


class Board:
    """The rows of one child, over a file that both processes have mapped.

    Args:
        fd: an open file; it is mapped, not closed.
        rows: how many runners there are.
    """

    def __init__(self, fd: int, rows: int) -> None:
        size = HEAD_BYTES + rows * ROW_BYTES
        if os.fstat(fd).st_size < size:
            os.ftruncate(fd, size)
        self._map = mmap.mmap(fd, size)
        self._bytes = memoryview(self._map)
        self._ints = self._bytes.cast("Q")
        self._floats = self._bytes.cast("d")
        self.rows = [Row(self._bytes, self._ints, self._floats, i + 1) for i in range(rows)]

    def beat(self, holding: bool) -> None:
        """Say that the child's own threads still run, and whether it holds claims."""
        self._floats[0] = monotonic()
        self._ints[1] = holding

    def rest(self) -> None:
        """Say that the child ends, and gives no more signs of life."""
        self._ints[2] = True

    def silent_s(self) -> float:
        """Return how long a child that holds claims has not said so; 0 where it holds none."""
        since = self._floats[0]
        if self._ints[2]:
            return 0.0
        if not self._ints[1]:  # it may have been silenced before it could say that it holds some
            since = max(since, min((row.began_at for row in self.running()), default=monotonic()))
        return max(0.0, monotonic() - since)

    def running(self) -> list[Running]:
        """Return what runs; a row that is being written at this moment is left out."""
        found = (row.read() for row in self.rows)
        return [running for running in found if running is not None]

    def close(self) -> None:
        """Unmap the page."""
        for row in self.rows:
            row.release()
        self._ints.release()
        self._floats.release()
        self._bytes.release()
        self._map.close()


class Row:
    """One runner's row: words 0 claim, 1 began, 2 timeout, 3 interrupted, 4-5 job id, 6 thread."""

    __slots__ = ("_bytes", "_floats", "_ints")

    def __init__(self, whole: memoryview, ints: memoryview, floats: memoryview[float], index: int) -> None:
        at = index * _WORDS
        self._ints = ints[at : at + _WORDS]
        self._floats = floats[at : at + _WORDS]
        self._bytes = whole[at * 8 : (at + _WORDS) * 8]

    def begin(self, job: ClaimedJob, began_at: float) -> None:
        """Show that `job` starts now. The claim is written last: it makes the row whole."""
        self._ints[0] = 0
        self._floats[1] = began_at
        self._floats[2] = job.timeout_s or 0.0
        self._floats[3] = 0.0
        self._bytes[32:48] = job.id
        self._ints[0] = job.claim

    def leave(self, job_id: bytes, claim: int) -> None:
        """Show a job that has ended where nobody could be told of it."""
        self._floats[1] = self._floats[2] = self._floats[3] = 0.0
        self._bytes[32:48] = job_id
        self._ints[0] = claim

    def end(self) -> None:
        """Show that nothing runs."""
        self._ints[0] = 0

    def at_work(self, thread: int) -> None:
        """Show which thread works on the row's jobs; 0 while none does."""
        self._ints[6] = thread

    def interrupted(self) -> None:
        """Show that the job was asked to stop."""
        self._floats[3] = monotonic()

    def read(self) -> Running | None:
        """Return the row, or None where nothing runs."""
        claim = self._ints[0]
        began, timeout, interrupted = self._floats[1], self._floats[2], self._floats[3]
        found = Running(bytes(self._bytes[32:48]), claim, began, timeout, interrupted, self._ints[6])
        return found if claim and self._ints[0] == claim else None

    def release(self) -> None:
        """Let go of the page."""
        self._ints.release()
        self._floats.release()
        self._bytes.release()
