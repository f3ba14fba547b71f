"""What one runner is doing, and how to interrupt it: the meeting place of runner, watch and supervisor."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from queuack_store.jobs import ClaimedJob

from queuack_worker.context import TaskContext
from queuack_worker.errors import JobInterruptError

if TYPE_CHECKING:
    from queuack_store.queue import DuckQueue

    from queuack_worker.board import Row
    from queuack_worker.reports import Reports


class Slot:
    """The job that one runner runs now.

    The runner writes `job` and `began_at` without a lock: a job costs microseconds. Whoever interrupts
    writes `interrupt` first and reads `job` second, while the runner clears `job` first and reads
    `interrupt` second, so that an interrupt meant for one job can't hit the next.
    """

    __slots__ = (
        "_context",
        "_queue",
        "_reports",
        "abandoned",
        "began_at",
        "cancel",
        "cpu_s",
        "interrupt",
        "interrupted_at",
        "job",
        "lock",
        "row",
        "thread_id",
        "told",
    )

    def __init__(self, queue: DuckQueue, reports: Reports, row: Row | None = None) -> None:
        self.job: ClaimedJob | None = None
        self.began_at = 0.0  # monotonic seconds
        self.told = 0  # the claim whose start was reported last
        self.interrupt: type[JobInterruptError] | None = None
        self.interrupted_at = 0.0
        self.abandoned = False
        self.thread_id = 0
        self.cpu_s = 0.0
        self.cancel: Callable[[], None] | None = None  # how a coroutine is interrupted
        self.lock = threading.Lock()
        self.row = row
        self._queue = queue
        self._reports = reports
        self._context: tuple[int, TaskContext] | None = None

    def context(self) -> TaskContext | None:
        """Return the TaskContext of the job that runs now, made when it is first asked for."""
        job = self.job
        if job is None:
            return None
        if self._context is None or self._context[0] != job.claim:
            self._context = (job.claim, TaskContext(job, self._queue, self._reports))
        return self._context[1]

    def raise_inside(self, job: ClaimedJob, kind: type[JobInterruptError], now: float) -> bool:
        """Raise `kind` in the running job, where it is still `job`; return whether it was.

        It arrives at the next Python instruction: code in C must return first. A second interrupt of
        the same job is not raised, the first one tells how it ends.
        """
        with self.lock:
            if self.interrupt is not None or self.abandoned:
                return False
            self.interrupt = kind
            if self.job is not job:
                self.interrupt = None
                return False
            self.interrupted_at = now
            if self.row is not None:
                self.row.interrupted()
            if self.cancel is not None:
                self.cancel()
            else:
                _raise_in_thread(self.thread_id, kind)
            return True

    def settle(self) -> type[JobInterruptError] | None:
        """Take the interrupt back after the job ended, so that it can't arrive any more; say which it was."""
        with self.lock:
            kind = self.interrupt
            if kind is not None and self.cancel is None:
                _raise_in_thread(self.thread_id, None)
            self.interrupt = None
            return kind


def _raise_in_thread(thread_id: int, kind: type[BaseException] | None) -> None:
    exception = None if kind is None else ctypes.py_object(kind)  # None takes a pending one back
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), exception)
