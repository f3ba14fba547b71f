"""The thread that brings durable records into DuckDB, in bulk, a moment behind the engine."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from queuack_store.clock import monotonic
from queuack_store.engine.changes import Record
from queuack_store.engine.reads import Backend
from queuack_store.errors import QueuackError, StorageError, StorageFullError

INTERVAL_S = 0.05  # how long records gather before they are applied, at least
MAX_INTERVAL_S = 1.0  # and at most; who asks DuckDB for something does not wait so long: `wait_for` hurries
REST = 50  # times as long as the last apply took: one costs 10 ms of processor time, however little it brings
ENOUGH_BYTES = 2 << 20  # of journal: so much is applied without gathering more, its cost is in its rows
MAX_LAG_BYTES = 64 << 20
MAX_LAG_S = 5.0
MAX_BATCH_BYTES = 32 << 20  # of journal per DuckDB transaction
FULL_DISK_PAUSE_S = 0.5

logger = logging.getLogger("queuack.applier")


class Applier:
    """Applies records in order; knows how far it is and how far behind."""

    def __init__(
        self,
        backend: Backend,
        applied: int,
        on_applied: Callable[[int], None],
        on_broken: Callable[[QueuackError], None],
        make_safe: Callable[[int], None],
    ) -> None:
        self._backend = backend
        self._on_applied = on_applied
        self._on_broken = on_broken
        self._make_safe = make_safe  # called after each batch: checkpoints where it is time
        self._queue: deque[tuple[Record, int, float]] = deque()
        self._changed = threading.Condition()
        self._hurry = False
        self._stopping = False
        self._lag_bytes = 0
        self._interval_s = INTERVAL_S
        self.applied = applied
        self.broken: QueuackError | None = None
        self.full: StorageFullError | None = None  # as long as it waits for room on the disk
        self._thread = threading.Thread(target=self._run, name="queuack-applier", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, record: Record, size: int) -> None:
        """Take a durable record; called by the engine's thread."""
        with self._changed:
            self._queue.append((record, size, monotonic()))
            enough = self._lag_bytes < ENOUGH_BYTES <= self._lag_bytes + size
            self._lag_bytes += size
            if enough or len(self._queue) == 1:
                self._changed.notify_all()

    def lagging(self) -> bool:
        """Return whether so much waits that enqueues and claims have to wait too."""
        queue = self._queue
        try:
            oldest = queue[0][2]
        except IndexError:
            return False
        return self._lag_bytes > MAX_LAG_BYTES or monotonic() - oldest > MAX_LAG_S

    def wait_for(self, cycle: int) -> None:
        """Hurry, and return when everything up to `cycle` is applied.

        Raises:
            StorageError: the applier is broken.
        """
        with self._changed:
            while self.applied < cycle and self.broken is None and self._thread.is_alive():
                self._hurry = True
                self._changed.notify_all()
                self._changed.wait(1.0)
            if self.applied < cycle:
                raise self.broken or StorageError("the engine stopped before it had applied everything")

    def stop(self) -> bool:
        """Apply what is left and end the thread; False where something could not be applied."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        return not self._queue and self.broken is None

    def _run(self) -> None:
        while True:
            batch = self._next_batch()
            if not batch:
                return
            began = monotonic()
            try:
                self._backend.apply([record for record, _, _ in batch])
            except StorageFullError as error:
                if self._stopping:
                    logger.error("not everything could be applied, the journal keeps it: %s", error)
                    return
                if self.full is None:  # said once; it may be tried for hours
                    logger.warning("the applier waits for room on the disk: %s", error)
                self.full = error
                with self._changed:
                    self._changed.wait(FULL_DISK_PAUSE_S)
                continue
            except Exception as error:
                logger.exception("a record was refused; the queue is read-only from now on")
                self._break(error)
                return
            with self._changed:
                for _, size, _ in batch:
                    self._queue.popleft()
                    self._lag_bytes -= size
                self.applied = batch[-1][0].cycle
                self.full = None
                self._hurry = False
                took = monotonic() - began
                self._interval_s = min(max(INTERVAL_S, REST * took), MAX_INTERVAL_S)
                self._changed.notify_all()
            self._on_applied(self.applied)
            self._make_safe(self.applied)

    def _next_batch(self) -> list[tuple[Record, int, float]]:
        """Wait for records and let them gather for a moment; an empty list when it is time to end."""
        with self._changed:
            while not self._queue:
                if self._stopping:
                    return []
                self._changed.wait()
            until = self._queue[0][2] + self._interval_s
            while not self._hurry and not self._stopping and self._lag_bytes < ENOUGH_BYTES:
                left = until - monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            batch, size = [], 0
            for entry in self._queue:
                batch.append(entry)
                size += entry[1]
                if size > MAX_BATCH_BYTES:
                    break
            return batch

    def _break(self, error: Exception) -> None:
        if not isinstance(error, QueuackError):
            error = StorageError(
                f"DuckDB refuses a record ({type(error).__name__}: {error}): the queue is read-only; what "
                "was acknowledged is safe in the journal. Run 'queuack doctor'"
            )
        with self._changed:
            self.broken = error
            self._changed.notify_all()
        self._on_broken(error)
