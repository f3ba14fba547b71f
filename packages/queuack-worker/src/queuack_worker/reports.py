"""What running jobs say of themselves on its way to the store: gathered, and sent seldom.

However often jobs speak, one request every half second carries the latest of each; what is left goes
ahead of the outcomes, so that nothing is lost when a job ends.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from queuack_store.clock import monotonic
from queuack_store.errors import QueuackError, StoreClosedError
from queuack_store.observed import MAX_REPORTED, LogLine, Progress, Reported
from queuack_store.requests import Report

from queuack_worker.events import log

if TYPE_CHECKING:
    from queuack_store.jobs import ClaimedJob
    from queuack_store.store import Store

INTERVAL_S = 0.5  # between two requests while jobs go on


class _Said:
    """What one attempt has said since the last request."""

    __slots__ = ("id", "lines", "progress")

    def __init__(self, job_id: bytes) -> None:
        self.id = job_id
        self.progress: Progress | None = None
        self.lines: list[LogLine] = []


class Reports:
    """Gathers progress and log lines of one process's jobs; safe to use from all threads.

    A job's own thread only notes what it says: it may be interrupted anywhere, and must not leave the
    store's connection half written. Sending is for this thread, and for those that report outcomes.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._said: dict[int, _Said] = {}  # by claim
        self._lock = threading.Lock()  # no condition: an interrupt could leave that one locked
        self._wakes: SimpleQueue[bool] = SimpleQueue()  # False: end
        self._idle = True
        self._send_at = 0.0
        self._thread = threading.Thread(target=self._run, name="queuack-reports", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def progress(self, job: ClaimedJob, progress: Progress) -> None:
        """Take a job's progress; it replaces what has not been sent yet."""
        with self._lock:
            self._of(job).progress = progress
        self._mind()

    def line(self, job: ClaimedJob, line: LogLine) -> None:
        """Take a line that a job logged."""
        with self._lock:
            self._of(job).lines.append(line)
        self._mind()

    def send(self) -> None:
        """Send what has been gathered; call it before an outcome goes out."""
        if not self._said:
            return
        with self._lock:  # a claim's lines arrive in the order they were said
            self._send_at = monotonic() + INTERVAL_S
            while self._said:
                claims = list(self._said)[:MAX_REPORTED]
                said = [(claim, self._said.pop(claim)) for claim in claims]
                entries = [Reported(s.id, claim, s.progress, s.lines) for claim, s in said]
                try:
                    self._store.submit(Report(entries)).add_done_callback(_answered)
                except StoreClosedError:
                    return
                except QueuackError as error:
                    log.warning("what %d jobs reported could not be sent: %s", len(entries), error)

    def stop(self) -> None:
        """Send the rest and end the thread."""
        self._wakes.put(False)
        self.send()

    def _of(self, job: ClaimedJob) -> _Said:
        said = self._said.get(job.claim)
        if said is None:
            said = self._said[job.claim] = _Said(job.id)
        return said

    def _mind(self) -> None:
        if self._idle:
            self._idle = False
            self._wakes.put(True)

    def _run(self) -> None:
        while self._wakes.get():
            left = self._send_at - monotonic()
            if left > 0:
                try:
                    if not self._wakes.get(timeout=left):
                        return
                except Empty:
                    pass
            self._idle = True  # before it is sent: what is said from here on wakes again
            self.send()


def _answered(future: Future[Any]) -> None:
    error = None if future.cancelled() else future.exception()
    if error is not None and not isinstance(error, StoreClosedError):
        log.warning("what jobs reported could not be stored: %s", error)
