"""Jobs that are coroutines: all of a process's share one event loop, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Coroutine, Generator
from typing import TYPE_CHECKING, Any

from queuack_store.clock import monotonic
from queuack_store.jobs import ClaimedJob, Outcome

from queuack_worker import outcomes
from queuack_worker.context import current_slot
from queuack_worker.copies import end_copy
from queuack_worker.errors import WorkerStoppingError
from queuack_worker.plans import Plan
from queuack_worker.slots import Slot
from queuack_worker.usage import LONG_S, peak_rss

if TYPE_CHECKING:
    import asyncio

    from queuack_worker.board import Row
    from queuack_worker.crew import Crew

Work = Coroutine[Any, Any, Any]

ROOM_CHECK_S = 0.2  # a runner that waits for room looks so often whether the worker stops


class Coroutines:
    """Runs coroutine jobs for one crew, at most `async_concurrency` at once.

    The loop and its thread are made for the first such job: asyncio costs memory in every child.
    """

    def __init__(self, crew: Crew, rows: list[Row]) -> None:
        self._crew = crew
        self._rows = rows
        self._lock = threading.Lock()
        self._room = threading.Semaphore(crew.settings.async_concurrency)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: dict[Slot, asyncio.Task[None] | None] = {}
        self._flush_due = False

    def slots(self) -> list[Slot]:
        """Return what runs."""
        with self._lock:
            return list(self._running)

    def start(self, job: ClaimedJob, body: Work, plan: Plan) -> Outcome | None:
        """Run the coroutine that a job's function returned; returns as soon as there is room for it.

        Returns an outcome only where the worker stops before that.
        """
        if self._crew.copied:
            end_copy()
        while not self._room.acquire(timeout=ROOM_CHECK_S):
            if self._crew.stopping:
                body.close()
                return outcomes.returned(job)
        loop = self._ready_loop()
        with self._lock:
            slot = Slot(self._crew.queue, self._crew.reports, self._rows.pop() if self._rows else None)
            slot.cancel = lambda: self._cancel(slot)
            slot.began_at = monotonic()
            slot.job = job
            if slot.row is not None:
                slot.row.begin(job, slot.began_at)
            self._running[slot] = None
        loop.call_soon_threadsafe(self._launch, slot, job, body, plan)
        return None

    def forget(self, slot: Slot) -> None:
        """Stop counting a coroutine that does not stop; it keeps its place in the loop, not in the limit."""
        with self._lock:
            known = slot in self._running
            self._running.pop(slot, None)
        if known:
            self._room.release()
            self._crew.coroutine_ended()

    def stop(self) -> None:
        """End the loop; what still runs in it is left where it is."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)

    def forked(self) -> None:
        """See to it, in a copy that a coroutine has forked, that the loop goes no further in it.

        The copy ends where its coroutine next waits: the loop shares its descriptors with the real one.
        """
        loop = self._loop
        if loop is not None:
            getattr(loop, "_ready", []).clear()  # what other jobs' coroutines were about to do
            loop.call_soon(end_copy)

    def _ready_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                import asyncio

                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=_run_loop, args=(self._loop,), name="queuack-coroutines", daemon=True
                ).start()
            return self._loop

    def _launch(self, slot: Slot, job: ClaimedJob, body: Work, plan: Plan) -> None:
        assert self._loop is not None
        task = self._loop.create_task(self._work(slot, job, body, plan))
        with self._lock:
            if slot in self._running:
                self._running[slot] = task

    def _cancel(self, slot: Slot) -> None:
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._cancel_task, slot)

    def _cancel_task(self, slot: Slot) -> None:
        task = self._running.get(slot)
        if task is not None:
            task.cancel()

    async def _work(self, slot: Slot, job: ClaimedJob, body: Work, plan: Plan) -> None:
        current_slot.set(slot)
        try:
            value = await (body if slot.row is None else Shown(body, slot.row))
            duration_s = monotonic() - slot.began_at
            outcome = outcomes.of_result(job, value, self._crew.serialization, duration_s, _usage(duration_s))
        except BaseException as error:
            duration_s = monotonic() - slot.began_at
            outcome = outcomes.of_error(job, error, duration_s, _usage(duration_s), plan.final(error))
        self._ended(slot, job, outcome)

    def _ended(self, slot: Slot, job: ClaimedJob, outcome: Outcome) -> None:
        if self._crew.copied:
            end_copy(outcome.kind != "failed")
        slot.job = None
        kind = slot.settle()
        if slot.abandoned:
            return
        if kind is not None and not (kind is WorkerStoppingError and outcome.kind == "done"):
            outcome = outcomes.of_interrupt(job, kind, outcome.duration_s, outcome.traceback)
        self._crew.note(job, outcome)
        with self._lock:
            self._running.pop(slot, None)
            if slot.row is not None:
                slot.row.end()
                self._rows.append(slot.row)
        self._room.release()
        self._crew.coroutine_ended()
        if not self._flush_due and self._loop is not None:
            # Jobs that end in the same turn of the loop are reported together.
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        self._crew.link.flush(from_runner=False)


class Shown:
    """A coroutine that shows on the board whether it is at work, or waits for something."""

    def __init__(self, body: Work, row: Row) -> None:
        self._body = body
        self._row = row

    def __await__(self) -> Generator[Any, Any, Any]:
        body, row, thread = self._body, self._row, threading.get_native_id()
        error: BaseException | None = None
        try:
            while True:
                row.at_work(thread)
                waits_for = body.send(None) if error is None else body.throw(error)
                row.at_work(0)
                error = None
                try:
                    yield waits_for
                except GeneratorExit:
                    body.close()
                    raise
                except BaseException as raised:
                    error = raised
        except StopIteration as end:
            return end.value
        finally:
            row.at_work(0)  # the row's next coroutine has not begun to work


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    import asyncio

    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _usage(duration_s: float) -> outcomes.Usage:
    return outcomes.NO_USAGE if duration_s < LONG_S else (peak_rss(), None)
