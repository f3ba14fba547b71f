"""Running what is ready in the calling thread, one job after another: for tests and debuggers.

Jobs run as a worker runs them (context, coroutines, what they return, retries), except that time-outs and
cancellations can't interrupt the thread that also waits for them.
"""

from __future__ import annotations

import os
from collections.abc import Coroutine, Iterator
from typing import TYPE_CHECKING, Any, cast

from queuack_store.clock import monotonic
from queuack_store.errors import from_wire
from queuack_store.jobs import ClaimedJob, Outcome
from queuack_store.requests import Claim, Finish

from queuack_worker import outcomes
from queuack_worker.context import current_slot
from queuack_worker.copies import end_copy
from queuack_worker.plans import Plan
from queuack_worker.reports import Reports
from queuack_worker.runner import Runner
from queuack_worker.settings import DEFAULT_WEIGHT, default_worker_id
from queuack_worker.slots import Slot
from queuack_worker.tasks import run_to_end
from queuack_worker.usage import Usage

if TYPE_CHECKING:
    from queuack_store.queue import DuckQueue

    from queuack_worker.crew import Crew


class OneThread:
    """As much of a crew as one runner in the calling thread needs."""

    def __init__(self, queue: DuckQueue) -> None:
        self.serialization = queue.serialization
        self.allowed = queue.allowed_modules
        self.coroutines = self
        self.usage = Usage(alone=False)

    def start(self, job: ClaimedJob, body: Coroutine[Any, Any, Any], plan: Plan) -> Outcome:
        """Run a coroutine job to its end."""
        began = monotonic()
        try:
            value = run_to_end(body)
        except BaseException as error:
            return outcomes.of_error(job, error, monotonic() - began, final=plan.final(error))
        return outcomes.of_result(job, value, self.serialization, monotonic() - began)

    def memory_error(self, error: BaseException) -> BaseException:
        """Return the error as it is: there is no limit to name."""
        return error


def run_ready(queue: DuckQueue) -> Iterator[tuple[ClaimedJob, Outcome]]:
    """Run ready jobs of all queues in this thread until none is left; yield each with how it ended.

    Jobs that become ready meanwhile run too; delayed ones, and those of paused queues, do not.
    """
    reports = Reports(queue.store)
    slot = Slot(queue, reports)
    crew = OneThread(queue)
    runner = Runner(cast("Crew", crew), slot, "queuack-here")
    while True:
        queues = [(name, DEFAULT_WEIGHT) for name in queue.queues()]
        claim = Claim(queues, worker_id=default_worker_id(["here"]), whole=True)
        claimed: list[ClaimedJob] = queue.store.call(claim) if queues else []
        if not claimed:
            return
        (job,) = claimed
        slot.cpu_s = crew.usage.cpu_s()
        outcome = _run(runner, slot, job)
        reports.send()
        for _, refused in queue.store.call(Finish([outcome])):
            raise from_wire(refused)
        yield job, outcome


def _run(runner: Runner, slot: Slot, job: ClaimedJob) -> Outcome:
    token = current_slot.set(slot)
    slot.job, slot.began_at = job, monotonic()
    me = os.getpid()
    try:
        outcome = runner.run_job(job, slot.began_at)
    finally:
        slot.job = None
        current_slot.reset(token)
    if os.getpid() != me:
        end_copy(outcome is not None and outcome.kind != "failed")
    assert outcome is not None  # only a crew that stops leaves a coroutine without one
    return outcome
