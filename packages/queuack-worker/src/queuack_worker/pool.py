"""WorkerPool: background workers as threads of this process, beside whatever else it does."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Unpack

from queuack_store.errors import InvalidRequestError

from queuack_worker.crew import Crew
from queuack_worker.events import Events, to_log
from queuack_worker.options import WorkerOptions, limits_of, settings_with
from queuack_worker.settings import (
    MAX_CONCURRENCY,
    QueuesLike,
    Settings,
    default_worker_id,
    parse_queues,
    positive,
)

if TYPE_CHECKING:
    from typing import Self

    from queuack_store.queue import DuckQueue


class WorkerPool:
    """Runs jobs in `num_workers` × `concurrency` threads of this process until it is stopped.

    The threads share the queue's handle and one connection to its owner.

    Args:
        queue: an open DuckQueue; it stays open.
        num_workers: workers, 4 by default. concurrency: jobs each runs at once, 1 by default.
        queues: as for `Worker`; default: the queue's default queue.
        run_id: claim only the jobs of this DAG run (16 bytes) and its sub-runs.
        options: see `WorkerOptions`; those of child processes are refused.

    Raises:
        InvalidRequestError: a value that can't be.
    """

    def __init__(
        self,
        queue: DuckQueue,
        num_workers: int = 4,
        concurrency: int = 1,
        *,
        queues: QueuesLike = None,
        run_id: bytes | None = None,
        events: Events | None = None,
        **options: Unpack[WorkerOptions],
    ) -> None:
        threads = positive("num_workers", num_workers) * positive("concurrency", concurrency)
        self.queue = queue
        self.num_workers = num_workers
        self.concurrency = concurrency
        self.events = events or Events()
        self.events.subscribe(to_log)
        settings = Settings(
            queues=parse_queues(queues, queue.default_queue),
            worker_id=default_worker_id(["pool"]),
            concurrency=positive("num_workers × concurrency", threads, MAX_CONCURRENCY),
            wait_s=queue.poll_timeout,
            run_id=run_id,
        )
        self._settings = settings_with(settings, options, processes=False)
        self._limits = limits_of(options, queue.db_path)
        self._crew: Crew | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the threads; they claim at once.

        Raises:
            InvalidRequestError: they run already.
        """
        with self._lock:
            if self._crew is not None:
                raise InvalidRequestError("this WorkerPool runs already: stop() it first")
            self._crew = Crew(self.queue, self._settings, events=self.events, limits=self._limits)
            self._crew.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Stop: claim nothing more, let running jobs finish for `timeout` seconds, then interrupt them.

        `timeout` is `shutdown_timeout` (30 s) where it is not given. Jobs that have not started, and those
        that outlast this and the grace period (5 s), go back unspent. Returns whether all that ran has
        ended. Does nothing where it doesn't run.
        """
        with self._lock:
            crew, self._crew = self._crew, None
        if crew is None:
            return True
        return crew.drain(self._settings.shutdown_timeout_s if timeout is None else max(0.0, timeout))

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._crew is not None

    @property
    def paused(self) -> str | None:
        """Which limit of the machine keeps it from claiming, with figures; None while it claims."""
        crew = self._crew
        return None if crew is None else crew.paused

    @property
    def threads(self) -> list[threading.Thread]:
        """The threads that run jobs now."""
        crew = self._crew
        return [] if crew is None else crew.threads

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
