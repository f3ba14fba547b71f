"""The thread that runs jobs: takes the next, calls its function, notes the outcome. The hot path.

It holds no lock per job and speaks to nobody while there is work: outcomes pile up for the link, which
it asks to send them once they are a few milliseconds old or there is nothing left to run.
"""

from __future__ import annotations

import threading
from types import CoroutineType
from typing import TYPE_CHECKING

from queuack_store.clock import monotonic
from queuack_store.jobs import ClaimedJob, Outcome
from queuack_store.payload import decode_call

from queuack_worker import outcomes
from queuack_worker.context import current_slot
from queuack_worker.copies import end_copy
from queuack_worker.errors import JobInterruptError, WorkerStoppingError
from queuack_worker.plans import PLAIN, plan_of, with_context
from queuack_worker.usage import LONG_S

if TYPE_CHECKING:
    from queuack_worker.crew import Crew
    from queuack_worker.slots import Slot

FLUSH_S = 0.0025  # outcomes wait so long at most: half of the 5 ms that a start may stay untold


class Runner:
    """One thread that runs one job at a time, and what it is doing (`slot`)."""

    def __init__(self, crew: Crew, slot: Slot, name: str) -> None:
        self.slot = slot
        self._crew = crew
        self._job: ClaimedJob | None = None  # begun, and its outcome not noted yet
        self.thread = threading.Thread(target=self._main, name=name, daemon=True)

    def _main(self) -> None:
        self.slot.thread_id = threading.get_ident()
        if self.slot.row is not None:
            self.slot.row.at_work(threading.get_native_id())
        current_slot.set(self.slot)
        while not self.slot.abandoned:
            try:
                self._serve()
                break
            except JobInterruptError as late:
                # It was raised in the thread a moment after the job itself had returned.
                if self._crew.copied:
                    end_copy(False)
                kind = self.slot.settle() or type(late)
                if self._job is not None and not self.slot.abandoned:
                    duration_s = monotonic() - self.slot.began_at
                    self._crew.note(self._job, outcomes.of_interrupt(self._job, kind, duration_s))
                self._job = self.slot.job = None
        self._crew.runner_ended(self)

    def _serve(self) -> None:
        crew, slot, row, link = self._crew, self.slot, self.slot.row, self._crew.link
        jobs, take, note, hooks = crew.jobs, crew.jobs.popleft, crew.outcomes.append, crew.hooks
        began = monotonic()
        while True:
            try:
                job = take()
            except IndexError:
                found = crew.next_job()
                if found is None:
                    return
                job = found
                slot.cpu_s = crew.usage.cpu_s()
                began = monotonic()
            slot.began_at = began
            self._job = slot.job = job
            if row is not None:
                row.begin(job, began)
            if hooks is not None:
                hooks.started(job)
            outcome = self.run_job(job, began)
            slot.job = None
            if slot.interrupt is not None:
                outcome = self._interrupted(job, outcome)
                if slot.abandoned:
                    return
            if row is not None:
                row.end()
            if outcome is not None:
                note(outcome)
                if hooks is not None:
                    hooks.ended(job, outcome)
            self._job = None
            began = monotonic()
            if jobs and began - link.flushed_at > FLUSH_S:
                slot.cpu_s = crew.usage.cpu_s()
                link.flush()

    def run_job(self, job: ClaimedJob, began: float) -> Outcome | None:
        """Run one job; None where it is a coroutine that goes on without this thread."""
        crew = self._crew
        plan = PLAIN
        try:
            func, args, kwargs = decode_call(job.task, job.payload, crew.serialization, crew.allowed)
            plan = plan_of(func)
            if plan is not PLAIN:
                func = plan.target or func
                args, kwargs = with_context(plan, self.slot, args, kwargs)
            value = func(*args, **kwargs)
            duration_s = monotonic() - began
            if value is None and duration_s < LONG_S:
                return Outcome(job.id, job.claim, "done", None, None, None, duration_s)
            if type(value) is CoroutineType:
                return crew.coroutines.start(job, value, plan)
            return outcomes.of_result(job, value, crew.serialization, duration_s, self._usage(duration_s))
        except BaseException as error:
            duration_s = monotonic() - began
            if isinstance(error, MemoryError):
                error = crew.memory_error(error)
            return outcomes.of_error(job, error, duration_s, self._usage(duration_s), plan.final(error))

    def _usage(self, duration_s: float) -> outcomes.Usage:
        if duration_s < LONG_S:
            return outcomes.NO_USAGE
        usage = self._crew.usage
        before, self.slot.cpu_s = self.slot.cpu_s, usage.cpu_s()
        return usage.take_peak(), self.slot.cpu_s - before

    def _interrupted(self, job: ClaimedJob, outcome: Outcome | None) -> Outcome | None:
        if self._crew.copied:
            end_copy(outcome is not None and outcome.kind != "failed")
        kind = self.slot.settle()
        if kind is None or outcome is None or (kind is WorkerStoppingError and outcome.kind == "done"):
            return outcome
        return outcomes.of_interrupt(job, kind, outcome.duration_s, outcome.traceback)
