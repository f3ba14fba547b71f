"""What a store may answer to what changes jobs, beside the model; each reply is taken in the core's order."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from queuack_store.engine.changes import JobState, Record
from queuack_store.engine.core import KEPT
from queuack_store.engine.inbox import Ask, CloseSession, OpenSession
from queuack_store.errors import (
    BackpressureError,
    InvalidRequestError,
    OwnerLostError,
    QueuackError,
    StoreClosedError,
    UnknownJobError,
)
from queuack_store.jobs import ClaimedJob, NewJob
from queuack_store.requests import (
    Cancel,
    Claim,
    Enqueue,
    Finish,
    Heartbeat,
    Pause,
    Purge,
    Reschedule,
    Retry,
    Verdict,
    WaitRun,
)
from queuack_store.states import CANCELLED, CLAIMED, DELAYED, ENDED, FAILED, LIVE, PENDING, SKIPPED, WAITING
from queuack_store.testing.answers import SLACK_S, Answers
from queuack_store.testing.model import Model, ModelJob, ModelSession

EXPIRED = "expired before it could start"
NEVER = 1 << 62


class Expiry(NamedTuple):
    """A job that the core skipped as expired: before which of the cycle's replies and claims."""

    upkeep: bool
    reply: int
    claim: int
    job_id: bytes


class Cycle(NamedTuple):
    """What a core decided, in the order in which it did.

    The first `mark` replies were given before the upkeep; `exact`: no ready job was on disk only, so that
    the order over several queues is strict, too.
    """

    record: Record | None
    replies: list[tuple[Ask, Any]]
    mark: int
    exact: bool
    expiries: list[Expiry]


class DatedAsk(Ask):
    """An ask that remembers which jobs there were when it was made."""

    __slots__ = ("since",)

    def __init__(self, *fields: Any, **more: Any) -> None:
        super().__init__(*fields, **more)
        self.since = -1


class Deeds(Answers):
    """Takes the replies of one cycle after another; `Follower` says which cycle it is."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.purged_said = 0
        self._states: dict[int, JobState] = {}  # by the job's number, as this cycle's record leaves it
        self._seqs: dict[bytes, int] = {}  # of this cycle's new jobs
        self._expiries: deque[Expiry] = deque()
        self._place = 0  # which of the cycle's replies is taken
        self._phase = False  # after the upkeep
        self._exact = False
        self._ending: set[bytes] = set()
        self._doomed: set[bytes] = set()
        self._told = []

    def take(self, ask: Ask, value: Any) -> None:
        """Take one reply."""
        model, request, kind = self.model, ask.request, type(ask.request)
        session = model.sessions.get(ask.session)
        usable = session is not None and session.open and not session.orphan
        if isinstance(value, (OwnerLostError, StoreClosedError)):
            unawaited = session is not None and 0 < ask.seq < session.low
            ended = not usable or ask.session in self._ending
            assert ended or unawaited, f"refused though the session is open: {value}"
            return
        assert usable or kind in (OpenSession, CloseSession), f"{kind.__name__} of a session that is not open"
        key = (ask.session, ask.seq)
        if ask.seq and key in model.answers:
            assert value == model.answers[key], f"a resent {kind.__name__} was answered otherwise"
            return
        if isinstance(value, QueuackError):
            self._refused(ask, value)
            return
        handler = getattr(self, "_take_" + kind.__name__.lower(), None)
        if handler is not None:
            handler(ask, request, value)
        if ask.seq and kind in KEPT:
            model.answers[key] = value

    def _refused(self, ask: Ask, error: QueuackError) -> None:
        model, request = self.model, ask.request
        if isinstance(error, UnknownJobError):
            ids = getattr(request, "ids", None) or [getattr(request, "id", None)]
            new = [*getattr(request, "jobs", ())]
            for outcome in getattr(request, "outcomes", ()):
                new += outcome.growth.jobs if outcome.growth is not None else []
            ids = [*ids, *(parent for spec in new for parent in spec.parents)]
            since = ask.since if isinstance(ask, DatedAsk) else model.max_seq
            known = {i for i, job in model.jobs.items() if job.seq <= since}
            assert isinstance(request, WaitRun) or any(i not in known for i in ids if i), f"known: {error}"
        elif isinstance(error, BackpressureError):
            counts = model.counts(request.jobs[0].queue)
            assert counts.get(PENDING, 0) + counts.get(DELAYED, 0) >= request.limits.block
        elif isinstance(error, InvalidRequestError):
            self._invalid(request, error)
        else:
            raise AssertionError(f"{request!r} was refused: {error!r}")

    def _invalid(self, request: Any, error: QueuackError) -> None:
        model = self.model
        if isinstance(request, Retry):
            states = [model.jobs[i].status for i in request.ids or ()]
            assert any(s not in (FAILED, CANCELLED, SKIPPED) for s in states), error
        elif isinstance(request, Reschedule):
            job = model.jobs[request.id]
            status = job.status
            assert status in (CLAIMED, WAITING) or status in ENDED, error
        elif isinstance(request, Finish):
            grown = [outcome.growth.jobs for outcome in request.outcomes if outcome.growth is not None]
            assert model.in_a_circle([spec for jobs in grown for spec in jobs]), error
        else:
            raise AssertionError(f"{request!r} was refused: {error!r}")

    def _take_opensession(self, ask: Ask, request: OpenSession, lost: list[bytes]) -> None:
        model, session_id = self.model, request.info.id
        session = model.sessions.setdefault(session_id, ModelSession(model.now))
        session.open, session.orphan, session.heard_at = True, False, model.now
        held = dict(request.holds)
        for job in model.claims(session_id):
            if held.get(job.id) != job.claim:
                model.hand_back(job)
        kept = {job.id for job in model.claims(session_id)}
        assert set(lost) == held.keys() - kept, "what a session has lost is not what it was told"

    def _take_closesession(self, ask: Ask, request: CloseSession, _: None) -> None:
        session = self.model.sessions.get(request.session)
        if session is not None and session.open:
            self.model.close(request.session, request.orderly)

    def _take_enqueue(self, ask: Ask, request: Enqueue, _: Any) -> None:
        for run in request.runs:
            self.model.runs[run.id] = run.parent_id
        self._add(request.jobs)

    def _add(self, specs: list[NewJob]) -> None:
        for spec in specs:
            assert spec.id in self._seqs, "a job was acknowledged that is not in the record"
            self.model.add(spec, self._seqs[spec.id])

    def _take_finish(self, ask: Ask, request: Finish, refused: list[Any]) -> None:
        model = self.model
        for job_id, number in request.started:
            job = model.jobs.get(job_id)
            if job is not None and job.status == CLAIMED and job.claim == number:
                model.start(job)
        expected = []
        for index, outcome in enumerate(request.outcomes):
            job = model.jobs.get(outcome.id)
            if job is None:
                expected.append((index, "UnknownJobError"))
            elif (job.status, job.claim, job.session) != (CLAIMED, outcome.claim, ask.session):
                expected.append((index, "ClaimLostError"))
            else:
                model.settle(job, outcome, self._seqs)
        assert [(index, error[0]) for index, error in refused] == expected, "other outcomes were refused"

    def _take_verdict(self, ask: Ask, request: Verdict, _: None) -> None:
        self.model.judge(request.claims, request.spared, self.model.holders(request, ask.session))

    def _take_claim(self, ask: Ask, request: Claim, out: list[ClaimedJob]) -> None:
        model = self.model
        assert len(out) <= request.count
        for index, got in enumerate(out):
            job = model.jobs[got.id]
            self._skip_expired(self._phase, self._place, got.claim)
            assert model.ready(job), f"{job.seq} was handed out while it was {job.status}"
            assert job.expires_at is None or job.expires_at > model.now - SLACK_S, "handed out too late"
            better = [j for j in model.jobs.values() if model.ready(j) and self._before(j, job, request)]
            assert not better, f"{[j.seq for j in better]} come before {job.seq}"
            assert not (job.suspect and not request.whole and len(out) > 1), "a suspect is to be alone"
            self._hand_out(ask, job, got, index < request.idle or job.suspect)

    def _before(self, job: ModelJob, other: ModelJob, request: Claim) -> bool:
        """Return whether a ready job had to be handed out before the other."""
        if request.run_id is not None:
            return job.key < other.key and request.run_id in self.model.lineage(job.spec.run_id)
        if job.spec.queue == other.spec.queue:
            return job.key < other.key
        weights = dict(request.queues)
        if not self._exact or job.spec.queue not in weights:
            return False
        mine, others = weights[job.spec.queue], weights[other.spec.queue]
        return (-mine, job.key) < (-others, other.key)

    def _skip_expired(self, upkeep: bool, before_reply: int, before_claim: int) -> None:
        """Skip what the core had skipped as expired by then."""
        while self._expiries:
            expiry = self._expiries[0]
            if expiry.upkeep > upkeep or expiry.reply > before_reply or expiry.claim > before_claim:
                return
            self._expiries.popleft()
            job = self.model.jobs[expiry.job_id]
            assert job.status in LIVE - {CLAIMED}, f"{job.seq} expired while it was {job.status}"
            assert job.expires_at is not None, f"{job.seq} can't expire"
            assert job.expires_at <= self.model.now + SLACK_S, f"{job.seq} had not expired"
            self.model.end(job, SKIPPED)

    def _hand_out(self, ask: Ask, job: ModelJob, got: ClaimedJob, start: bool) -> None:
        model, request = self.model, ask.request
        names = [name for name, _ in request.queues]
        in_run = request.run_id is not None and request.run_id in model.lineage(job.spec.run_id)
        assert in_run or (request.run_id is None and job.spec.queue in names), "not what was asked for"
        assert got.claim > model.max_claim, "a claim's number was used before"
        model.max_claim = got.claim
        model.touch(job)
        job.status, job.claim, job.session, job.started = CLAIMED, got.claim, ask.session, False
        job.cancelled = False
        if start:
            model.start(job)
        assert got.started == start
        assert got.attempt == job.attempts + (not start), "the attempt's number"
        assert got.attempt <= got.max_attempts == job.max_attempts, "more attempts than allowed"
        assert got.payload == job.spec.payload

    def _take_cancel(self, ask: Ask, request: Cancel, told: bool) -> None:
        job = self.model.jobs[request.id]
        assert told == (job.status not in ENDED)
        if job.status == CLAIMED:
            self.model.touch(job)
            job.cancelled = job.cancel_asked = True
        elif told:
            self.model.end(job, CANCELLED)

    def _take_retry(self, ask: Ask, request: Retry, count: int) -> None:
        model = self.model
        if request.ids is not None:
            jobs = [model.jobs[i] for i in dict.fromkeys(request.ids)]
        elif not count:
            jobs = []
        else:
            failed = [j for j in model.jobs.values() if j.status == FAILED]
            jobs = [j for j in failed if request.queue in (None, j.spec.queue) and self._was_revived(j)]
        ended = [job for job in model.jobs.values() if job.status in ENDED]
        assert model.revive(jobs) == count, "another number of jobs was revived"
        for job in ended:
            state = self._states.get(job.seq)
            if job.status not in ENDED and state is not None:
                # Later in the same record a growth may have closed it, and so taken its attempts for good.
                assert state.max_attempts in (job.max_attempts, 0), "revived with another budget"
                assert state.max_attempts or state.status == SKIPPED, "revived without an attempt"
                job.max_attempts = state.max_attempts

    def _was_revived(self, job: ModelJob) -> bool:
        state = self._states.get(job.seq)
        return state is not None and state.status != FAILED

    def _take_purge(self, ask: Ask, request: Purge, count: int) -> None:
        self.purged_said += count

    def _take_pause(self, ask: Ask, request: Pause, _: None) -> None:
        (self.model.paused.add if request.paused else self.model.paused.discard)(request.queue)

    def _take_reschedule(self, ask: Ask, request: Reschedule, _: None) -> None:
        job = self.model.jobs[request.id]
        if request.priority is not None:
            self.model.touch(job)
            job.priority = request.priority
        if request.delay_s is not None and (request.delay_s > 0 or job.status == DELAYED):
            self.model.touch(job)
            job.status, job.due = DELAYED, self.model.now + max(0.0, request.delay_s)

    def _take_heartbeat(self, ask: Ask, request: Heartbeat, doomed: list[bytes]) -> None:
        self._doomed |= set(doomed)
