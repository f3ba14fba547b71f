"""One worker inside one process: its runners, what they share, and how it starts, drains and stops."""

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
from queuack_store.clock import monotonic
from queuack_store.errors import FileReplacedError, QueuackError, StoreClosedError
from queuack_store.jobs import ClaimedJob, Outcome
from queuack_store.sharing.forking import let_go_in_child

from queuack_worker import outcomes
from queuack_worker.coroutines import Coroutines
from queuack_worker.errors import JobInterruptError, WorkerStoppingError
from queuack_worker.events import Events
from queuack_worker.hooks import Hooks, loaded
from queuack_worker.link import Link
from queuack_worker.reports import Reports
from queuack_worker.resources import Guard
from queuack_worker.runner import Runner
from queuack_worker.slots import Slot
from queuack_worker.usage import Usage
from queuack_worker.watch import Watch

if TYPE_CHECKING:
    from queuack_store.queue import DuckQueue

    from queuack_worker.board import Row
    from queuack_worker.overseer import Overseer
    from queuack_worker.resources import Limits
    from queuack_worker.settings import Settings

MAX_WAIT_S = 3_600.0  # one wait on a condition; longer ones are repeated
HOOKS_S = 5.0  # how long hooks may take at the end
SETTLE_S = 10.0  # how long a stopping worker waits for its last outcomes to be stored


class Crew:
    """The runners of one worker and what they share.

    Args:
        queue: an open DuckQueue; claims belong to it.
        settings: what to claim and how many runners to keep.
        overseer: in a child process, its supervisor's side: what won't stop takes the process with it.
        events: who wants to hear.
        limits: what the machine must have left for claims to be made.
    """

    def __init__(
        self,
        queue: DuckQueue,
        settings: Settings,
        overseer: Overseer | None = None,
        events: Events | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.queue = queue
        self.settings = settings
        self.overseer = overseer
        self.events = events or Events()
        self.serialization: str = queue.serialization
        self.allowed: tuple[str, ...] | None = queue.allowed_modules
        self.jobs: deque[ClaimedJob] = deque()  # claimed, not started
        self.outcomes: deque[Outcome] = deque()  # noted, not sent
        self.idle = 0
        self.claim_again_at = 0.0
        self.stopping = False
        self.hurry = False
        self.closed: QueuackError | None = None  # the queue was closed under the worker, or its file replaced
        self.copied = False  # this is what a job has forked: no worker any more
        self.guard: Guard | None = None
        if limits is not None:
            self.guard = Guard(limits, self.events, self.pause, self.resume)
        self._drain_by = float("inf")
        self._cond = threading.Condition()
        rows = [] if overseer is None else list(overseer.rows)
        self._runners: list[Runner] = []
        self._rows: list[Row | None] = [*rows[: settings.concurrency]] or [None] * settings.concurrency
        self.coroutines = Coroutines(self, rows[settings.concurrency :])
        self.reports = Reports(queue.store)
        self.usage = Usage(alone=overseer is not None and settings.concurrency == 1)
        self.hooks = Hooks(loaded(settings.hooks)) if settings.hooks else None
        self.link = Link(self)
        self.watch = Watch(self)

    def start(self, held_back: str = "") -> None:
        """Start the threads and begin to claim, unless something (`held_back`) keeps it from that."""
        let_go_in_child(self)
        for number in range(self.settings.concurrency):
            self._add_runner(number)
        store = self.queue.store
        for name, call in (("on_cancelled", self.watch.cancelled), ("on_lost", self.watch.lost)):
            if hasattr(store, name):  # a connection hears of both; an engine in this process loses nothing
                setattr(store, name, call)
        if self.guard is not None:
            self.guard.mind(monotonic())
        if self.overseer is not None:
            self.overseer.beat(False)
        self.reports.start()
        if self.hooks is not None:
            self.hooks.start()
        self.watch.start()
        if held_back:
            self.pause(held_back)
        elif self.paused is None:
            self.link.open()

    @property
    def paused(self) -> str | None:
        """Which limit of the machine keeps it from claiming, or None."""
        return None if self.guard is None else self.guard.paused

    def pause(self, reason: str = "") -> None:
        """Claim nothing more and give back what has not started; the owner is told the reason."""
        self.link.shut(reason)
        self.hand_back()
        self.wake()

    def resume(self) -> None:
        """Go on claiming, unless the crew is stopping."""
        if not self.stopping:
            self.link.open()

    def _add_runner(self, number: int) -> None:
        runner = Runner(
            self, Slot(self.queue, self.reports, self._rows[number]), f"queuack-runner-{number + 1}"
        )
        with self._cond:
            self._runners.append(runner)
        runner.thread.start()

    @property
    def threads(self) -> list[threading.Thread]:
        """The runners' threads."""
        return [runner.thread for runner in self._runners]

    def next_job(self) -> ClaimedJob | None:
        """Wait for a job; None when the runner should end. Called by a runner with nothing to do."""
        with self._cond:
            self.idle += 1
        self.link.flush()
        with self._cond:
            try:
                while not self.stopping:
                    try:
                        return self.jobs.popleft()
                    except IndexError:
                        self._cond.wait()
            finally:
                self.idle -= 1
        return None

    def deliver(self, jobs: list[ClaimedJob]) -> None:
        """Take claimed jobs and wake idle runners for them."""
        self.jobs.extend(jobs)
        if self.idle and jobs:
            with self._cond:
                self._cond.notify(len(jobs))

    def wake(self) -> None:
        """Let the watch look at once."""
        self.watch.wake()

    def slots(self) -> list[Slot]:
        """Return what every runner and coroutine is doing."""
        with self._cond:
            found = [runner.slot for runner in self._runners]
        return found + self.coroutines.slots()

    def between_jobs(self) -> bool:
        """Return whether a runner has taken a job and not begun it, or ended one and not asked for more."""
        with self._cond:
            resting = sum(runner.slot.job is not None for runner in self._runners) + self.idle
            return resting < len(self._runners)

    def busy(self) -> int:
        """Return how many jobs run."""
        return sum(slot.job is not None for slot in self.slots())

    def note(self, job: ClaimedJob, outcome: Outcome) -> None:
        """Take what became of a job, and let the hooks hear of it."""
        self.outcomes.append(outcome)
        if self.hooks is not None:
            self.hooks.ended(job, outcome)

    def hand_back(self) -> None:
        """Return all jobs that have not started."""
        while True:
            try:
                self.outcomes.append(outcomes.returned(self.jobs.popleft()))
            except IndexError:
                return

    def give_up(self, slot: Slot, job: ClaimedJob) -> None:
        """End a job that did not stop when interrupted; its thread is abandoned and replaced.

        What it returns later is dropped; it can't be killed, only its process can.
        """
        with slot.lock:
            kind = slot.interrupt
            if slot.job is not job or kind is None or slot.abandoned:
                return
            slot.abandoned = True
        if self.overseer is not None:
            self._die_with(slot, job, kind, self.overseer)
        self.note(job, outcomes.of_interrupt(job, kind, monotonic() - slot.began_at))
        self.events.emit("thread_abandoned", 30, task=job.task, reason=kind.reason)
        with self._cond:
            runner = next((r for r in self._runners if r.slot is slot), None)
            if runner is not None:
                self._runners.remove(runner)
        if runner is None:
            self.coroutines.forget(slot)
        elif not self.stopping:
            self._add_runner(0)
        self.link.flush(from_runner=False)

    def _die_with(
        self, slot: Slot, job: ClaimedJob, kind: type[JobInterruptError], overseer: Overseer
    ) -> NoReturn:
        """Report the job that won't stop, hand back all others unspent, and end this process."""
        ended = outcomes.of_interrupt(job, kind, monotonic() - slot.began_at)
        text = f"{ended.error}; it did not stop within {self.settings.grace_s:g} s: its process was killed"
        self._part_with(job, msgspec.structs.replace(ended, error=ended.error and text))
        overseer.die(f"{job.task}: {kind.reason}")

    def exiting(self, slot: Slot, code: int) -> None:
        """Report a job that ends this process by `os._exit`; those beside it go back unspent."""
        with slot.lock:
            job = slot.job
            if job is None or slot.abandoned:
                return
            slot.abandoned = True
        text = f"the job ended its process: os._exit({code})"
        ended = Outcome(job.id, job.claim, "failed", error=text, duration_s=monotonic() - slot.began_at)
        self._part_with(job, ended)

    def _part_with(self, job: ClaimedJob, ended: Outcome) -> None:
        """Say the last words of this process: how one job ended, all others back unspent."""
        self.link.shut()
        self.note(job, ended)
        self._return_running()
        self._store_outcomes()
        self._end_hooks()

    def forked(self) -> None:
        """Note, in a copy that was forked, that each job in it is the last of its runner."""
        self.copied = True
        for runner in list(self._runners):
            runner.slot.interrupt = WorkerStoppingError  # so that the runner looks; nobody raises it
        self.coroutines.forked()
        if self.overseer is not None:
            self.overseer.forked()

    def runner_ended(self, runner: Runner) -> None:
        """Note that a runner's thread is at its end."""
        with self._cond:
            if runner in self._runners:
                self._runners.remove(runner)
            self._cond.notify_all()

    def memory_error(self, error: BaseException) -> BaseException:
        """Return the error of a job that ran out of memory, its message naming the limit there is."""
        limit = self.settings.memory_limit
        if limit is None:
            return error
        named = MemoryError(f"out of memory: the job needed more than the limit of {limit >> 20} MB")
        return named.with_traceback(error.__traceback__)

    def store_closed(self, error: QueuackError) -> None:
        """Note that the queue was closed, or its file replaced: nothing can be claimed or reported now."""
        if self.closed is None and isinstance(error, FileReplacedError):
            self.events.emit("file_replaced", logging.ERROR, reason=str(error))
        self.closed = error
        with self._cond:
            self.stopping = True
            self._cond.notify_all()

    def check(self) -> None:
        """Raise where the crew can't go on.

        Raises:
            StoreClosedError: the queue was closed under it. FileReplacedError: its file was replaced.
        """
        if self.queue.closed or isinstance(self.closed, StoreClosedError):
            self.closed = StoreClosedError(f"{self.queue.db_path} was closed while a worker ran on it")
        if self.closed is not None:
            self.store_closed(self.closed)
            raise self.closed

    def drain(self, timeout_s: float) -> bool:
        """Stop: claim no more, hand back what has not started, let running jobs finish, then interrupt.

        Jobs that outlast `timeout_s` and the grace period go back unspent. Returns whether all ended.
        Called once; `hasten` shortens it.
        """
        with self._cond:
            self.stopping = True  # first: nothing opens the link again
            self._drain_by = min(self._drain_by, monotonic() + timeout_s)
            self._cond.notify_all()
        self.link.shut()
        self.hand_back()
        self.link.flush()
        quiet = self._quiet()
        if not quiet and not self.hurry:
            self.interrupt_all(WorkerStoppingError)
            self._drain_by = monotonic() + self.settings.grace_s
            quiet = self._quiet()
        if not quiet:
            self._return_running()
        self._settle()
        return quiet

    def hasten(self, timeout_s: float) -> None:
        """Let a drain that is under way wait for jobs `timeout_s` more at most."""
        with self._cond:
            self._drain_by = min(self._drain_by, monotonic() + timeout_s)
            self._cond.notify_all()

    def drain_now(self) -> None:
        """Make a drain that is under way stop waiting for jobs."""
        with self._cond:
            self.hurry = True
            self._cond.notify_all()

    def interrupt_all(self, kind: type[JobInterruptError]) -> None:
        """Interrupt every running job."""
        now = monotonic()
        for slot in self.slots():
            job = slot.job
            if job is not None:
                slot.raise_inside(job, kind, now)

    def coroutine_ended(self) -> None:
        """Note that a coroutine job ended."""
        if self.stopping:
            with self._cond:
                self._cond.notify_all()

    def _quiet(self) -> bool:
        """Wait until all jobs have ended, or the drain has no more patience; return whether they have."""
        with self._cond:
            while not (self.hurry or self._all_ended()):
                left = self._drain_by - monotonic()
                if left <= 0:
                    break
                self._cond.wait(min(left, MAX_WAIT_S))
            return self._all_ended()

    def _all_ended(self) -> bool:
        return not self._runners and not self.coroutines.slots()

    def _return_running(self) -> None:
        for slot in self.slots():
            with slot.lock:
                job = slot.job
                if job is None or slot.abandoned:
                    continue
                slot.abandoned = True
                slot.interrupt = slot.interrupt or WorkerStoppingError
            self.outcomes.append(outcomes.of_interrupt(job, slot.interrupt, monotonic() - slot.began_at))
        with self._cond:
            self._runners.clear()

    def _settle(self) -> None:
        """Send the last outcomes and wait until they are stored."""
        self.watch.stop()
        if self.overseer is not None:
            self.overseer.rest()
            self.overseer.beat(False)  # nobody beats from here on
        self.reports.stop()
        self._store_outcomes()
        self._end_hooks()
        self.coroutines.stop()

    def _end_hooks(self) -> None:
        if self.hooks is not None:
            self.hooks.stop(HOOKS_S)

    def _store_outcomes(self) -> None:
        deadline = monotonic() + SETTLE_S
        while self.closed is None:
            self.hand_back()
            self.link.flush()
            pending: list[Future[Any]] = self.link.unanswered()
            left = deadline - monotonic()
            if left <= 0 or not (pending or self.outcomes):
                break
            wait(pending, min(left, 1.0))
