"""The thread that looks after running jobs: reports starts, time-outs, cancels, heartbeats, overruns.

It sleeps until the next thing is due. While jobs wait behind a running one, or a start has not been
reported yet, that is every 2.5 ms; with nothing to do, it sleeps until it is woken.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from queuack_store.clock import monotonic
from queuack_store.errors import QueuackError
from queuack_store.requests import Heartbeat

from queuack_worker.errors import JobCancelRequestedError, JobTimeoutError
from queuack_worker.events import log
from queuack_worker.outcomes import returned
from queuack_worker.runner import FLUSH_S
from queuack_worker.usage import rss

if TYPE_CHECKING:
    from queuack_store.jobs import ClaimedJob

    from queuack_worker.crew import Crew
    from queuack_worker.slots import Slot

TELL_S = 0.002  # a job that runs so long is reported as started; shorter ones only by their outcome
PREFETCH_S = 0.005  # then it is worth asking for the next job: idle workers had their pick before
OVERRUN_S = 0.05  # what waits behind a job of this length goes back
PAUSE_S = 0.5  # between heartbeats
MEMORY_CHECK_S = 1.0
NEVER = float("inf")


class Watch:
    """Looks after the running jobs of one crew."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._settings = crew.settings
        self._wakes: SimpleQueue[bool] = SimpleQueue()  # True: end
        self._sleeping_long = False
        self._woken = False
        self._thread = threading.Thread(target=self._main, name="queuack-watch", daemon=True)
        self._heartbeat: Future[Any] | None = None
        self._beat_at = 0.0  # when the last heartbeat was sent
        self._cancelled: set[bytes] = set()
        self._checked_at = 0.0
        self._recycle_said = False
        self._superfluous: list[Future[Any]] = []
        self._superfluous_at = 0.0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._wakes.put(True)
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()
        heartbeat = self._heartbeat
        if heartbeat is not None:
            heartbeat.cancel()

    def wake(self) -> None:
        """Look now, or once more where the thread is looking at this moment."""
        self._woken = True
        if self._sleeping_long:
            self._sleeping_long = False
            self._wakes.put(False)

    def _main(self) -> None:
        while True:
            self._woken = False
            try:
                sleep_s = self._look(monotonic())
            except Exception:
                log.exception("the worker's watch failed; it goes on")
                sleep_s = 1.0
            self._sleeping_long = sleep_s > FLUSH_S
            if self._sleeping_long and self._woken:
                sleep_s = 0.0
            try:
                if self._wakes.get(timeout=None if sleep_s == NEVER else max(sleep_s, 0.0)):
                    return
            except Empty:
                pass
            self._sleeping_long = False

    def _look(self, now: float) -> float:
        """Do what is due; return the seconds until the next look."""
        crew = self._crew
        due = NEVER
        started: list[tuple[bytes, int]] = []
        youngest, busy = NEVER, 0
        for slot in crew.slots():
            job = slot.job
            if job is None:
                continue
            age = max(0.0, now - slot.began_at)
            busy += 1
            youngest = min(youngest, age)
            if slot.told != job.claim:
                if age >= TELL_S:
                    slot.told = job.claim
                    if not job.started:
                        started.append((job.id, job.claim))
                else:
                    due = now + FLUSH_S
            due = min(due, self._stop_where_due(slot, job, now))
        due = min(due, self._mind_claims(now, started, youngest, busy))
        due = min(due, self._mind_heartbeat(now, busy, youngest))
        if crew.guard is not None and not crew.stopping:
            due = min(due, crew.guard.mind(now))
        if self._settings.max_jobs or self._settings.max_rss:
            due = min(due, self._mind_recycling(now, busy))
        if due > now + FLUSH_S and self._crew.between_jobs():
            due = now + FLUSH_S
        return due - now if due != NEVER else NEVER

    def _stop_where_due(self, slot: Slot, job: ClaimedJob, now: float) -> float:
        if slot.interrupt is not None:
            if now < slot.interrupted_at + self._settings.grace_s:
                return slot.interrupted_at + self._settings.grace_s
            self._crew.give_up(slot, job)
            return NEVER
        if self._cancelled and job.id in self._cancelled:
            self._interrupt(slot, job, JobCancelRequestedError, now)
        elif job.timeout_s is None:
            return NEVER
        elif now < slot.began_at + job.timeout_s:
            return slot.began_at + job.timeout_s
        else:
            self._interrupt(slot, job, JobTimeoutError, now)
        return now + self._settings.grace_s

    def _interrupt(self, slot: Slot, job: ClaimedJob, kind: Any, now: float) -> None:
        if slot.raise_inside(job, kind, now):
            self._crew.events.emit("job_interrupted", 30, task=job.task, reason=kind.reason)

    def _mind_claims(self, now: float, started: list[tuple[bytes, int]], youngest: float, busy: int) -> float:
        """Send what is noted; with all runners busy too long, give back and withdraw what waits."""
        crew, link = self._crew, self._crew.link
        all_busy = busy > 0 and crew.idle == 0
        if all_busy and youngest >= OVERRUN_S:
            if crew.jobs or link.waiting():
                link.overrun = True
                crew.hand_back()
                link.withdraw()
                link.flush(started, from_runner=False)
            elif started or crew.outcomes:
                link.flush(started, from_runner=False)
            return NEVER
        asks = link.missing() and not crew.jobs and now >= crew.claim_again_at
        if started or crew.outcomes or (asks and (crew.idle or youngest >= PREFETCH_S)):
            link.flush(started, from_runner=False)
        if crew.jobs or crew.outcomes:
            return now + FLUSH_S
        if all_busy:
            return now + (PREFETCH_S if youngest < PREFETCH_S else OVERRUN_S) - youngest
        if not busy and (superfluous := link.superfluous()):
            return self._withdraw_later(superfluous, now)
        return crew.claim_again_at if crew.claim_again_at > now else NEVER

    def _withdraw_later(self, superfluous: list[Future[Any]], now: float) -> float:
        """Withdraw a claim that outlived the work it was made behind: an idle worker should get that job."""
        if superfluous != self._superfluous:
            self._superfluous, self._superfluous_at = superfluous, now
        if now < self._superfluous_at + OVERRUN_S:
            return self._superfluous_at + OVERRUN_S
        for future in superfluous:
            future.cancel()
        return NEVER

    def _mind_heartbeat(self, now: float, busy: int, youngest: float) -> float:
        """Keep one heartbeat waiting for cancels while something runs; beat the board too."""
        crew = self._crew
        crew.link.mind_line()
        holding = bool(busy or crew.jobs)
        due = NEVER if crew.overseer is None else now + crew.overseer.beat(holding)
        if not holding:
            self._cancelled.clear()
            return due
        period_s = self._settings.heartbeat_s
        waiting = self._heartbeat is not None and not self._heartbeat.done()
        # The engine repeats a cancel until the job has ended, and another worker on this handle ends our
        # wait with its own heartbeat: asking again at once would go round in circles.
        ready = not waiting and busy and youngest >= TELL_S
        if now >= self._beat_at + period_s or (ready and now >= self._beat_at + PAUSE_S):
            self._send_heartbeat(now)
        elif ready:
            return min(due, self._beat_at + PAUSE_S)
        return min(due, self._beat_at + period_s)

    def _send_heartbeat(self, now: float) -> None:
        self._beat_at = now
        try:
            self._heartbeat = self._crew.queue.store.submit(Heartbeat(self._settings.heartbeat_s))
        except QueuackError as error:
            log.warning("heartbeat failed: %s", error)
            return
        self._heartbeat.add_done_callback(self._heard)

    def _heard(self, future: Future[Any]) -> None:
        if future.cancelled() or future.exception() is not None:
            return
        self.cancelled(future.result())

    def cancelled(self, ids: list[bytes]) -> None:
        """Interrupt these jobs where they run; those that have not started go back, and end there."""
        if ids:
            self._cancelled |= set(ids)
            self._crew.outcomes.extend(map(returned, self._take(set(ids))))
            self._wakes.put(False)

    def lost(self, ids: list[bytes]) -> None:
        """Forget jobs that were given to somebody else during a takeover, where they have not started."""
        self._take(set(ids))

    def _take(self, ids: set[bytes]) -> list[ClaimedJob]:
        taken = []
        for job in [job for job in list(self._crew.jobs) if job.id in ids]:
            try:
                self._crew.jobs.remove(job)
            except ValueError:
                continue  # a runner was quicker
            taken.append(job)
        return taken

    def _mind_recycling(self, now: float, busy: int) -> float:
        """Say when this process has done its share of jobs, or holds too much memory."""
        s, crew = self._settings, self._crew
        if self._recycle_said or crew.stopping:
            return NEVER
        done = crew.link.finished
        why = f"{done} jobs done" if s.max_jobs is not None and done >= s.max_jobs else None
        if why is None and s.max_rss is not None and now >= self._checked_at + MEMORY_CHECK_S:
            self._checked_at = now
            held = rss()
            if held > s.max_rss:
                why = f"holds {held >> 20} MB"
        if why is not None:
            self._recycle_said = True
            crew.events.emit("recycle", reason=why)
        return now + MEMORY_CHECK_S if busy and s.max_rss is not None else NEVER
