"""All that a worker says to the store about its claims: outcomes, starts, and requests for more.

Outcomes and the next claim are submitted back to back without waiting for a reply. A worker asks for
one batch more than it is running, so that the next is there when this one ends.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from queuack_store import ids
from queuack_store.clock import monotonic
from queuack_store.errors import FileReplacedError, OwnerError, QueuackError, StoreClosedError
from queuack_store.jobs import ClaimedJob, Outcome
from queuack_store.requests import Claim, Finish, HoldBack

from queuack_worker.events import log
from queuack_worker.outcomes import clip, returned

if TYPE_CHECKING:
    from queuack_worker.crew import Crew

BATCH_S = 0.02  # a batch is 20 ms of work at most
MAX_BATCH = 512  # more per claim gains nothing measurable and makes one record larger
MAX_CLAIMS = 2  # in flight: one for idle runners, one for what comes after the running jobs
MAX_FINISH_BYTES = 32 << 20  # half of what one request may carry
ENDS = (StoreClosedError, FileReplacedError)  # after these the handle is of no use any more
CHILD_LEASES = 2  # of a child, so that its supervisor speaks first: it knows what runs there
RETRY_S = 1.0  # wait before outcomes that could not be stored are sent again

Started = list[tuple[bytes, int]]


class Link:
    """Sends outcomes and claims for one crew; safe to use from all its threads."""

    def __init__(self, crew: Crew) -> None:
        self.flushed_at = 0.0
        self.overrun = False  # every runner is busy for longer than a batch: hold no claim
        self.finished = 0  # outcomes handed to the store so far
        self._crew = crew
        self._settings = crew.settings
        self._store = crew.queue.store
        self._lock = threading.Lock()
        self._open = False
        self._held_back = False  # the owner was told why nothing is claimed
        self._claims: dict[Future[Any], tuple[int, int]] = {}  # jobs asked for, for idle runners
        self._sent: dict[Future[Any], Finish] = {}  # requests without a reply
        self._count = min(self._settings.batch_size, MAX_BATCH)
        self._retry_at = 0.0

    def open(self) -> None:
        """Begin (or go on) claiming."""
        self._open = True
        if self._held_back:
            self._hold_back("")
        self.flush()

    def shut(self, reason: str = "") -> None:
        """Claim nothing more and withdraw what waits; tell the owner the reason, where there is one."""
        with self._lock:
            self._open = False
        self.withdraw()
        if reason:
            self._hold_back(reason)

    def _hold_back(self, reason: str) -> None:
        self._held_back = bool(reason)
        s = self._settings
        try:
            self._store.submit(HoldBack([name for name, _ in s.queues], s.worker_id, reason))
        except QueuackError as error:
            log.warning("the owner could not be told why nothing is claimed: %s", error)

    @property
    def claiming(self) -> bool:
        """Whether claims are being made."""
        return self._open

    def withdraw(self) -> None:
        """Withdraw the claims that wait; what was handed out meanwhile is delivered or handed back."""
        for future in list(self._claims):
            future.cancel()

    def flush(self, started: Started | None = None, from_runner: bool = True) -> None:
        """Send what is noted, then ask for more where there is room."""
        self.mind_line()
        with self._lock:
            now = monotonic()
            if from_runner:
                self.overrun = False
            self._send_outcomes(now, started or [])
            self._send_claims()
            self.flushed_at = now

    def mind_line(self) -> None:
        """End this process where a job has closed its descriptors: it can neither claim nor report."""
        if self._crew.overseer is not None:
            self._crew.overseer.mind_line(self._unreported)

    def _unreported(self) -> list[tuple[bytes, int]]:
        sent = [outcome for request in list(self._sent.values()) for outcome in request.outcomes]
        return [(outcome.id, outcome.claim) for outcome in [*self._crew.outcomes, *sent]]

    def waiting(self) -> bool:
        """Return whether a claim waits for jobs."""
        return bool(self._claims)

    def missing(self) -> bool:
        """Return whether a claim should be made: none waits, or none for runners that are idle."""
        if not self._open or self.overrun:
            return False
        claims = list(self._claims.values())
        return not claims or (self._crew.idle > 0 and not any(idle for _count, idle in claims))

    def superfluous(self) -> list[Future[Any]]:
        """Return the claims for later work that wait beside one for idle runners."""
        claims = list(self._claims.items())
        if not any(idle for _future, (_count, idle) in claims):
            return []
        return [future for future, (_count, idle) in claims if not idle]

    def unanswered(self) -> list[Future[Any]]:
        """Return the requests whose reply says that outcomes are stored."""
        return list(self._sent)

    def _send_outcomes(self, now: float, started: Started) -> None:
        noted = self._crew.outcomes
        if now < self._retry_at:
            return
        while noted or started:
            batch: list[Outcome] = []
            size = 0
            for _ in range(len(noted)):
                outcome = noted.popleft()
                if outcome.growth is not None and outcome.growth.jobs:
                    if batch:
                        noted.appendleft(outcome)
                    else:
                        batch.append(outcome)  # alone: a request holds no more jobs than one growth may
                    break
                batch.append(outcome)
                if outcome.result is not None:
                    size += len(outcome.result)
                    if size > MAX_FINISH_BYTES:
                        break
            if batch and not started:
                self._learn(len(batch), now)
            self.finished += len(batch)
            self._crew.reports.send()  # after the batch was taken: what its jobs said goes first
            self._submit(Finish(batch, started))
            started = []

    def _submit(self, request: Finish) -> None:
        try:
            future = self._store.submit(request)
        except QueuackError as error:
            self._failed(request, error)
            return
        self._sent[future] = request
        future.add_done_callback(partial(self._answered, request))

    def _answered(self, request: Finish, future: Future[Any]) -> None:
        self._sent.pop(future, None)
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._failed(request, error)
            return
        for index, (kind, message, _facts) in [] if future.cancelled() else future.result():
            job = ids.to_text(request.outcomes[index].id)
            log.warning("outcome of job %s refused: %s: %s", job, kind, message)

    def _failed(self, request: Finish, error: BaseException) -> None:
        """Keep the outcomes where sending them again can help; else end the claims by what can be said."""
        if isinstance(error, ENDS):
            count = len(request.outcomes)
            if isinstance(error, FileReplacedError):
                log.warning("%d outcomes are lost with the file that had their jobs", count)
                self._crew.store_closed(error)
            else:
                log.warning("%d outcomes are lost, the queue was closed: their jobs run again", count)
            return
        log.warning("outcomes could not be stored: %s", error)
        again = list(request.outcomes)
        if not (isinstance(error, OwnerError) or getattr(error, "retryable", False)):
            if len(again) > 1:
                for outcome in again:
                    self._submit(Finish([outcome]))
                return
            text = clip(f"the outcome could not be stored: {error}")
            again = [
                Outcome(o.id, o.claim, "failed", error=text, final=True) for o in again if o.error != text
            ]
        self._retry_at = monotonic() + RETRY_S
        self._crew.outcomes.extend(again)
        self._crew.wake()

    def _learn(self, count: int, now: float) -> None:
        """Size the next claims: as many jobs as end in 20 ms, from how many just did."""
        elapsed = max(now - self.flushed_at, 1e-6)
        fitting = int(count * BATCH_S / elapsed)
        least = max(self._settings.batch_size, self._settings.concurrency)
        self._count = min(max((self._count + fitting) // 2, least), MAX_BATCH)

    def _send_claims(self) -> None:
        if not self._open or self.overrun:
            return
        held = len(self._crew.jobs)
        if held > self._count or len(self._claims) >= MAX_CLAIMS or not self.missing():
            return
        if held and self._claims:
            return  # the second one is kept for runners that have nothing left to take
        count = self._room(held)
        if count > 0:
            self._claim(count, 0 if held else min(self._crew.idle, count))

    def _room(self, held: int) -> int:
        cap = self._settings.max_held
        if cap is None:
            return self._count
        asked = sum(count for count, _idle in list(self._claims.values()))
        return min(self._count, cap - held - self._crew.busy() - asked)

    def _claim(self, count: int, idle: int) -> None:
        s = self._settings
        lease_s = s.claim_timeout_s * (1 if self._crew.overseer is None else CHILD_LEASES)
        request = Claim(list(s.queues), count, idle, s.wait_s, s.worker_id, lease_s, s.run_id, s.ageing_s)
        try:
            future = self._store.submit(request)
        except StoreClosedError as error:
            self._open = False
            self._crew.store_closed(error)
            return
        self._claims[future] = (count, idle)
        future.add_done_callback(self._claimed)

    def _claimed(self, future: Future[Any]) -> None:
        # Runs in the store's thread: hand over and wake, no more.
        self._claims.pop(future, None)
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            self._claim_failed(error)
            return
        jobs: list[ClaimedJob] = future.result()
        if not self._open:
            self._crew.outcomes.extend(map(returned, jobs))
        else:
            self._crew.deliver(jobs)
        self._crew.wake()

    def _claim_failed(self, error: BaseException) -> None:
        if isinstance(error, ENDS):
            self._open = False
            self._crew.store_closed(error)
        else:
            log.warning("claiming failed, trying again in %g s: %s", RETRY_S, error)
            self._crew.claim_again_at = monotonic() + RETRY_S
        self._crew.wake()
