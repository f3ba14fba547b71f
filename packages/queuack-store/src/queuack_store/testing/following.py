"""Follows a core cycle by cycle: each durable record and each reply must be what the model would have said.

What the engine does by itself (promoting what is due, releasing the claims of the silent, skipping the
expired) is read off the record and must have been allowed; all else is predicted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from queuack_store.engine.changes import Record
from queuack_store.engine.handlers.sessions import RECONNECT_S
from queuack_store.engine.inbox import Ask, CloseSession, OpenSession
from queuack_store.requests import (
    Claim,
    Wait,
    WaitRun,
)
from queuack_store.states import CLAIMED, DELAYED, DONE, PENDING
from queuack_store.testing.answers import SLACK_S, compare
from queuack_store.testing.deeds import NEVER, Cycle, DatedAsk, Deeds
from queuack_store.testing.model import Model, ModelSession


class Follower(Deeds):
    """Leads a model along what a core decides."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.purged = 0

    def hear(self, asks: Iterable[Ask], now: float) -> None:
        """Note who was heard of, and what lease its claims have."""
        opened: set[bytes] = set()
        for ask in asks:
            if isinstance(ask, DatedAsk) and ask.since < 0:
                ask.since = self.model.max_seq
            if isinstance(ask.request, OpenSession):
                opened.add(ask.session)
                if ask.session not in self.model.sessions:
                    self.model.sessions[ask.session] = ModelSession(now)
                    self.model.sessions[ask.session].open = False
            session = self.model.sessions.get(ask.session)
            if session is None or isinstance(ask.request, CloseSession):
                continue
            if ask.session in opened or (session.open and not session.orphan):
                session.heard_at = now
                session.low = max(session.low, ask.low)
                if isinstance(ask.request, Claim):
                    session.lease_s = ask.request.claim_timeout_s

    def follow(self, cycle: Cycle, now: float) -> None:
        """Take a durable cycle."""
        model, record, replies, mark, exact = self.model, *cycle[:4]
        model.now, self._exact = now, exact
        model.changed.clear()
        self._doomed.clear()
        self._told.clear()
        self._states = {state.seq: state for state in record.states} if record else {}
        self._states |= {row.state.seq: row.state for row in record.new} if record else {}
        self._seqs = {row.spec.id: row.state.seq for row in record.new} if record else {}
        self._ending = {session for session, _ in record.closed} if record else set()
        self._ending |= {a.session for a, _ in replies if isinstance(a.request, (OpenSession, CloseSession))}
        self._expiries = deque(cycle.expiries)
        for self._place, (ask, value) in enumerate(replies[:mark]):
            self._take_next(ask, value, upkeep=False)
        self._skip_expired(False, len(replies), NEVER)
        if record is not None:
            self._upkeep(record)
        for self._place, (ask, value) in enumerate(replies[mark:], mark):
            self._take_next(ask, value, upkeep=True)
        self._skip_expired(True, len(replies), NEVER)
        self._check_told()
        if record is not None:
            self._check(record)
        assert record is not None or not model.changed, "a change was not recorded"

    def _check_told(self) -> None:
        jobs = self.model.jobs  # these replies may come before the one to the request that caused them
        for job_id in self._doomed & jobs.keys():
            assert jobs[job_id].cancel_asked, "a session was told to cancel what was not to be cancelled"
        for result in self._told:
            if result.status == DONE and result.id in jobs:
                assert result.result == jobs[result.id].result, "the result is another"

    def _upkeep(self, record: Record) -> None:
        model, now = self.model, self.model.now
        for job_id in record.purged:
            model.purge(job_id)
            self.purged += 1
        for job in model.jobs.values():
            if job.status == DELAYED and (job.due or 0.0) <= now + SLACK_S:
                state = self._states.get(job.seq)
                if state is not None and state.status != DELAYED:
                    model.touch(job)
                    job.status = PENDING
        closed = {session for session, _ in record.closed}
        for session_id, session in model.sessions.items():
            if session.orphan and session_id in closed and now >= session.heard_at + RECONNECT_S - SLACK_S:
                model.close(session_id, orderly=False)
            overdue = now >= session.heard_at + session.lease_s - SLACK_S
            if session.open and not session.orphan and overdue and self._was_robbed(session_id):
                model.lose(session_id, died=False)

    def _was_robbed(self, session_id: bytes) -> bool:
        claims = [(job, self._states.get(job.seq)) for job in self.model.claims(session_id)]
        return any(s is not None and (s.status != CLAIMED or s.claim != j.claim) for j, s in claims)

    def _check(self, record: Record) -> None:
        model = self.model
        for seq, state in self._states.items():
            job = model.by_seq.get(seq)
            if job is not None:
                compare(job, state, model.waiting_on(job))
        for job in model.changed:
            assert job.seq in self._states or job.id not in model.jobs, (
                f"a change of {job.seq} was not recorded"
            )

    def _take_next(self, ask: Ask, value: Any, upkeep: bool) -> None:
        self._phase = upkeep
        kind = type(ask.request)
        if kind in (Wait, WaitRun):
            self.take(ask, value)  # given in the midst of what ended the job
            return
        if kind is not Claim or not isinstance(value, list):
            self._skip_expired(upkeep, self._place, NEVER)
        self.take(ask, value)
        self._skip_expired(upkeep, self._place, NEVER)
