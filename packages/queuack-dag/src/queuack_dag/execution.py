"""Running one run's jobs in this process, by threads or child processes, until it has ended."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

from queuack_store.clock import monotonic
from queuack_store.errors import InvalidRequestError
from queuack_store.requests import WaitRun
from queuack_worker.crew import Crew
from queuack_worker.events import Event, Events, log, to_log
from queuack_worker.settings import MAX_CONCURRENCY, Settings, default_worker_id, positive
from queuack_worker.stopping import StopSignals
from queuack_worker.supervisor import Supervisor

if TYPE_CHECKING:
    from queuack_store.queue import DuckQueue

DRAIN_S = 30.0  # on Ctrl-C: how long running jobs may take to finish
GRACE_S = 1.0  # when the time is up: how long an interrupted job may take to stop
WAIT_S = 30.0  # one wait for jobs; they wake it, nothing polls
MAX_PROCESSES = 1_000


class Hands(Protocol):
    """What runs the jobs."""

    def start(self) -> None:
        """Begin to claim."""
        ...

    def stop(self, timeout_s: float) -> None:
        """Claim nothing more, let running jobs finish for so long, hand back the rest unspent."""
        ...

    def stop_now(self) -> None:
        """Make a stop that is under way wait no longer."""
        ...


class Threads:
    """Jobs in threads of this process: functions of `__main__` run as they are, their globals shared."""

    def __init__(self, queue: DuckQueue, settings: Settings) -> None:
        self._crew = Crew(queue, settings, events=_events())

    def start(self) -> None:
        """Begin to claim."""
        self._crew.start()

    def stop(self, timeout_s: float) -> None:
        """Drain; see `Crew.drain`."""
        self._crew.drain(timeout_s)

    def stop_now(self) -> None:
        """Wait no longer for running jobs."""
        self._crew.drain_now()


class Children:
    """Jobs in child processes, kept by a supervisor that runs in a thread."""

    def __init__(
        self, queue: DuckQueue, settings: Settings, processes: int, wake: Callable[[], None]
    ) -> None:
        path = [os.path.abspath(entry) for entry in sys.path]
        self._supervisor = Supervisor(queue, settings, processes, path, _events())
        self._wake = wake
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="queuack-dag-children", daemon=True)

    def _main(self) -> None:
        try:
            self._supervisor.run()
        except BaseException as error:
            self._error = error
        finally:
            self._wake()

    def start(self) -> None:
        """Start the children."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Drain them and wait for their end; raises where they could not start."""
        if timeout_s > 0:
            self._supervisor.drain()
        else:
            self._supervisor.stop_now()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def stop_now(self) -> None:
        """Stop them at once: running jobs go back unspent."""
        self._supervisor.stop_now()

    @property
    def ended(self) -> bool:
        """Whether the supervisor gave up."""
        return not self._thread.is_alive()


def default_threads() -> int:
    """Return how many threads run a DAG's nodes where nothing was said: nodes mostly wait for something."""
    return min(32, max(8, 4 * (os.cpu_count() or 1)))


def run_here(
    queue: DuckQueue,
    run_id: bytes,
    concurrency: int | None,
    processes: int,
    timeout_s: float | None,
    tick_s: float | None,
    on_tick: Callable[[], None],
) -> str | None:
    """Run the jobs of a run and its sub-runs until it has ended; return its status, None on time-out.

    on_tick is called about every `tick_s` seconds (None: never) and is not called after the end.

    Raises:
        KeyboardInterrupt: SIGINT or SIGTERM came; running jobs were let finish, the rest went back.
        InvalidRequestError: `processes` with a `:memory:` queue. UnknownJobError: no such run.
    """
    changed = threading.Event()
    waiting: Future[Any] = queue.store.submit(WaitRun(run_id))
    waiting.add_done_callback(lambda _: changed.set())
    hands = _hands(queue, run_id, concurrency, processes, changed.set)
    stop = threading.Event()
    with StopSignals(stop) as signals:
        signals.on_first(changed.set)
        signals.on_second(hands.stop_now)
        hands.start()
        patience_s = DRAIN_S
        try:
            if not _wait(waiting, changed, stop, hands, timeout_s, tick_s, on_tick):
                patience_s = 0.0
        finally:
            waiting.cancel()
            hands.stop(patience_s)
    if signals.count:  # even if the run has ended meanwhile: what called us is to stop, too
        raise KeyboardInterrupt
    if waiting.done() and not waiting.cancelled():
        status: str = waiting.result()
        return status
    return None


def _wait(
    waiting: Future[Any],
    changed: threading.Event,
    stop: threading.Event,
    hands: Hands,
    timeout_s: float | None,
    tick_s: float | None,
    on_tick: Callable[[], None],
) -> bool:
    """Wait for the end, a signal, or the time-out; False for the last."""
    deadline = None if timeout_s is None else monotonic() + timeout_s
    while True:
        left = None if deadline is None else max(0.0, deadline - monotonic())
        bounds = [bound for bound in (left, tick_s) if bound is not None]
        changed.wait(min(bounds, default=None))
        if waiting.done() or stop.is_set() or getattr(hands, "ended", False):
            return True
        if deadline is not None and monotonic() >= deadline:
            return False
        changed.clear()
        on_tick()


def _hands(
    queue: DuckQueue, run_id: bytes, concurrency: int | None, processes: int, wake: Callable[[], None]
) -> Hands:
    if processes:
        positive("processes", processes, MAX_PROCESSES)
        if queue.db_path == ":memory:":
            raise InvalidRequestError(
                "a :memory: queue can't be shared with child processes: give DuckQueue a file, or leave "
                "processes out and run the DAG in threads",
                processes=processes,
            )
    threads = (1 if processes else default_threads()) if concurrency is None else concurrency
    settings = Settings(
        queues=((queue.default_queue, 50),),
        worker_id=default_worker_id(["dag"]),
        concurrency=positive("concurrency", threads, MAX_CONCURRENCY),
        wait_s=WAIT_S,
        grace_s=GRACE_S,
        run_id=run_id,
    )
    if processes:
        return Children(queue, settings, processes, wake)
    return Threads(queue, settings)


def _events() -> Events:
    events = Events()
    events.subscribe(_to_log_if_any)
    return events


def _to_log_if_any(event: Event) -> None:
    # Where nobody has set up a log, logging would write warnings to the terminal: execute() is silent.
    if log.hasHandlers():
        to_log(event)
