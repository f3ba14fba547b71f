"""Worker: claims jobs and runs them in threads or child processes, until it is told to stop."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from queuack_store.errors import InvalidRequestError

from queuack_worker.crew import Crew
from queuack_worker.events import Events, to_log
from queuack_worker.options import WorkerOptions, limits_of, settings_with
from queuack_worker.settings import (
    QueuesLike,
    Settings,
    default_worker_id,
    parse_queues,
    positive,
)
from queuack_worker.stopping import StopSignals

if TYPE_CHECKING:
    from queuack_store.queue import DuckQueue

    from queuack_worker.supervisor import Supervisor

MAX_PROCESSES = 1_000


class Worker:
    """Runs the jobs of one queue file.

    Args:
        queue: an open DuckQueue; the worker uses it and leaves it open.
        queues: names, or (name, weight) pairs of which the heavier is claimed from first. Default: the
            queue's default queue.
        worker_id: a label for lists and logs. Default: host and process.
        concurrency: threads that run jobs, in this process or in each child. Default 1.
        max_jobs_in_flight: jobs it holds at most, running ones included. Default: what 20 ms of work need.
        batch_size: the first guess of how many jobs to claim at once; it adapts. Default 5.
        processes: child processes that run the jobs; 0 (the default) runs them in threads of this one.
        options: see `WorkerOptions`; each by its name, as the command has them.

    Raises:
        InvalidRequestError: a value that can't be, or `processes` with a `:memory:` queue.
    """

    def __init__(
        self,
        queue: DuckQueue,
        queues: QueuesLike = None,
        worker_id: str | None = None,
        concurrency: int = 1,
        max_jobs_in_flight: int | None = None,
        batch_size: int = 5,
        processes: int = 0,
        **options: Unpack[WorkerOptions],
    ) -> None:
        if processes:
            positive("processes", processes, MAX_PROCESSES)
            if queue.db_path == ":memory:":
                raise InvalidRequestError(
                    "a :memory: queue can't be shared with child processes: give DuckQueue a file, or use "
                    "concurrency= for threads",
                    processes=processes,
                )
        if max_jobs_in_flight is not None:
            positive("max_jobs_in_flight", max_jobs_in_flight, 1_000_000)
        self.queue = queue
        self.processes = processes
        self.worker_id = worker_id or default_worker_id()
        self.events = Events()
        self.events.subscribe(to_log)
        settings = Settings(
            queues=parse_queues(queues, queue.default_queue),
            worker_id=self.worker_id,
            concurrency=positive("concurrency", concurrency),
            batch_size=positive("batch_size", batch_size, 1_000_000),
            max_held=max_jobs_in_flight,
        )
        self._settings = settings_with(settings, options, bool(processes))
        self._limits = limits_of(options, queue.db_path)
        self._running: Crew | Supervisor | None = None
        self._stop = threading.Event()

    @property
    def queues(self) -> list[tuple[str, int]]:
        """The queues it claims from, with their weights, heaviest first."""
        return list(self._settings.queues)

    @property
    def paused(self) -> str | None:
        """Which limit of the machine keeps it from claiming, with figures; None while it claims.

        The events `claims_paused` (fact `reason`) and `claims_resumed` tell of each change.
        """
        running = self._running
        return None if running is None else running.paused

    def run(self, poll_interval: float = 1.0) -> None:
        """Run jobs until `stop()`, SIGINT or SIGTERM; returns after a drain.

        Signals are handled only when it runs in the main thread; the handlers before it are restored.
        A second signal ends the drain at once: running jobs go back unspent, and KeyboardInterrupt is
        raised.

        Args:
            poll_interval: seconds one wait for jobs lasts at most, 1 by default. Jobs wake the worker at
                once; nothing polls.

        Raises:
            InvalidRequestError: `poll_interval` is not positive.
            StoreClosedError: the queue was closed while the worker ran. FileReplacedError: its file was
            deleted or replaced. WorkerStartError: its processes don't start.
        """
        if poll_interval <= 0:
            raise InvalidRequestError(f"poll_interval is {poll_interval!r}: give seconds above 0")
        with StopSignals(self._stop) as signals:
            if self.processes:
                self._run_children(signals)
            else:
                self._run_threads(signals, poll_interval)

    def stop(self) -> None:
        """Ask `run()` to drain and return; from any thread."""
        self._stop.set()

    def _run_threads(self, signals: StopSignals, poll_interval: float) -> None:
        settings = replace(self._settings, wait_s=poll_interval)
        self._running = crew = Crew(self.queue, settings, events=self.events, limits=self._limits)
        signals.on_second(crew.drain_now)
        crew.start()
        try:
            while not self._stop.wait(1.0):
                crew.check()
        finally:
            crew.drain(self._settings.shutdown_timeout_s)
            self._running = None
            self._stop.clear()
        signals.raise_second()

    def _run_children(self, signals: StopSignals) -> None:
        import os
        import sys

        from queuack_worker.supervisor import Supervisor

        path = [os.path.abspath(entry) for entry in sys.path]
        self._running = supervisor = Supervisor(
            self.queue, self._settings, self.processes, path, self.events, self._limits
        )
        signals.on_second(supervisor.stop_now)
        try:
            supervisor.run(self._stop)
        finally:
            self._running = None
            self._stop.clear()
        signals.raise_second()
