"""The core: (state, requests, now) → (record, replies, reads, when to wake). No I/O, no clock, no chance.

`decide` runs one cycle on a draft. The caller makes the record durable and then says `accept`, or
`rollback` where that failed; only then do the replies count.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from queuack_store.engine.changes import Answer, Record
from queuack_store.engine.draft import Draft
from queuack_store.engine.entries import Job, Queue, Run, Session
from queuack_store.engine.expectations import Expectations
from queuack_store.engine.expiring import Expiring
from queuack_store.engine.handlers import ROUTES
from queuack_store.engine.handlers.claiming import Waiting, serve_waiting
from queuack_store.engine.handlers.endings import result_of
from queuack_store.engine.handlers.sessions import close_session, open_session, watch_sessions
from queuack_store.engine.inbox import Ask, CloseSession, OpenSession, Withdraw
from queuack_store.engine.lookup import Loaded, Lookup
from queuack_store.engine.meter import Meter
from queuack_store.engine.reads import Read, Snapshot
from queuack_store.engine.refill import REST_S, Refiller
from queuack_store.engine.retaining import Retaining
from queuack_store.engine.state import Missing, State
from queuack_store.engine.window import NOTHING
from queuack_store.errors import OwnerLostError, QueuackError
from queuack_store.jobs import SessionInfo
from queuack_store.requests import (
    REPLIES,
    Cancel,
    CancelRun,
    Enqueue,
    Finish,
    Pause,
    Purge,
    Report,
    Reschedule,
    Retain,
    Retry,
    Verdict,
)
from queuack_store.states import DELAYED, LIVE

# Their answers are kept for a resend.
KEPT = frozenset(
    {Retain, Enqueue, Finish, Verdict, Purge, Retry, Cancel, CancelRun, Pause, Reschedule, Report}
)

logger = logging.getLogger("queuack.engine")


class Applied(NamedTuple):
    """DuckDB has everything up to this cycle."""

    cycle: int


class Decision(NamedTuple):
    """What one cycle decided. `record` is None where nothing changed."""

    record: Record | None
    replies: list[tuple[Ask, Any]]
    wake_at: float | None


class Core:
    """The engine's mind. One thread at a time."""

    PARKED = object()  # a handler's word for "the reply comes later"

    def __init__(self) -> None:
        self.state = State()
        self.now = 0.0
        self.frugal = False  # the disk is full: only what ends claims is decided
        self.hungry: list[Waiting] = []
        self.waiters: dict[bytes, list[Ask]] = {}
        self.run_waiters: dict[bytes, list[Ask]] = {}
        self.lookup = Lookup(self.state)
        self.expected = Expectations()
        self.meter = Meter()
        self._replies: list[tuple[Ask, Any]] = []
        self._unapplied: deque[tuple[int, list[Job], list[Run]]] = deque()
        self._refiller = Refiller(self)
        self._watch_again = 0.0  # the sessions are not looked at before: rows for it are being read
        self._expiring = Expiring(self)
        self._retaining = Retaining(self)

    @property
    def draft(self) -> Draft:
        """The cycle under way."""
        return self.state.draft

    # -- the life of a cycle ---------------------------------------------------------------------

    def load(self, snapshot: Snapshot, now: float, dead: Iterable[bytes] = ()) -> None:
        """Take over the state of a file: counters, claims and sessions; jobs follow by refills."""
        state, self.now = self.state, now
        state.applied = snapshot.cycle
        state.draft = Draft(snapshot.cycle + 1)
        state.next_seq, state.next_claim = snapshot.next_seq, snapshot.next_claim
        for name, status, count in snapshot.counts:
            queue = state.queue(name)
            queue.counts[status] = queue.counts.get(status, 0) + count
            queue.window.frontier = NOTHING
        if any(status in LIVE for _, status, _ in snapshot.counts):
            state.expiry_due = now  # nothing in memory tells: look at once
        state.delayed.frontier = NOTHING if any(s == DELAYED for _, s, _ in snapshot.counts) else None
        state.tallies.load(snapshot.tallies)
        state.retained = dict(snapshot.retained)
        for name in snapshot.paused:
            state.queue(name).paused = True
        self.lookup.load_runs(snapshot.runs)
        gone = set(dead)
        for info in snapshot.sessions:
            session = state.sessions[info.id] = Session(info, now)
            session.orphan = True
            if info.id in gone:
                session.heard_at = float("-inf")
        for owner, seq, body in snapshot.answers:
            if owner not in state.sessions:  # it has ended, but may come back and ask again
                state.sessions[owner] = Session(SessionInfo(owner), now)
                state.sessions[owner].closed_at = now
            state.sessions[owner].answers[seq] = body
        for row in snapshot.claimed:
            job = state.adopt(row)
            holder = state.sessions.get(job.session or b"")
            if holder is None:
                holder = self._stranger(job.session or b"")
            job.session = holder.info.id
            holder.claims[job.id] = job

    def _stranger(self, session_id: bytes) -> Session:
        """Stand in for a session that the file no longer knows: its claims are released at once."""
        session = self.state.sessions[session_id] = Session(SessionInfo(session_id), self.now)
        session.orphan, session.heard_at = True, float("-inf")
        return session

    def decide(self, items: Iterable[Any], now: float, frugal: bool = False) -> Decision:
        """Run one cycle over asks and events.

        An exception out of here is a fault in the engine: roll back and try the items one by one.
        """
        self.now, self.frugal = now, frugal
        self._replies = []
        self.lookup.begin()
        for item in items:
            if isinstance(item, Ask):
                self._dispatch(item)
            elif isinstance(item, Loaded):
                self._loaded(item)
            else:
                self.state.applied = item.cycle
        wake = None if frugal else self._upkeep()
        self._finish_cycle()
        state = self.state
        record = state.draft.record(now, state.next_seq, state.next_claim) if state.draft else None
        return Decision(record, self._replies, wake)

    def accept(self) -> None:
        """The record is durable (or there was none): the draft is the state now."""
        state, draft = self.state, self.state.draft
        self._replies = []
        if draft:
            self._unapplied.append((draft.cycle, draft.changed(), draft.runs()))
            state.draft = Draft(draft.cycle + 1)
        else:
            state.draft = Draft(draft.cycle)  # what takes it back must not outlive it

    def rollback(self, items: Iterable[Any]) -> list[Ask]:
        """Forget the cycle. Returns waiting asks that it had answered: give them in again."""
        given = {id(item) for item in items}
        self.lookup.look_again(self.state.draft.changed())
        self.state.rollback()
        resumed = {id(ask) for ask in self.lookup.rollback()}  # their rows are given in again
        answered = {id(ask) for ask, _ in self._replies}
        self.hungry = [w for w in self.hungry if id(w.ask) not in given | answered]
        self._unregister(lambda ask: id(ask) in given)
        return [ask for ask, _ in self._replies if id(ask) not in given | resumed]

    def give_up(self, item: Any) -> Ask | None:
        """Forget an item that can't be decided; return the ask that has to be told, if there is one."""
        if isinstance(item, Loaded):
            return self.lookup.give_up(item.token)
        return item if isinstance(item, Ask) else None

    def open_reads(self) -> list[tuple[int, Read]]:
        """Return the reads of the last cycle that somebody still waits for."""
        return self.lookup.open_reads()

    def waiting_asks(self) -> list[Ask]:
        """Return all asks that have not been answered."""
        found = [waiting.ask for waiting in self.hungry]
        for register in (self.waiters, self.run_waiters):
            found += [ask for asks in register.values() for ask in asks]
        found += [s.watch[0] for s in self.state.sessions.values() if s.watch is not None]
        return found + self.lookup.waiting_asks()

    # -- asks ------------------------------------------------------------------------------------

    def _dispatch(self, ask: Ask) -> None:
        request = ask.request
        kind = type(request)
        if kind is OpenSession:
            self.run(ask, lambda: open_session(self, ask))
            return
        if kind is CloseSession:
            self.run(ask, lambda: close_session(self, ask))
            return
        session = self.state.sessions.get(ask.session)
        if session is None or session.closed_at is not None or session.orphan:
            self.reply(ask, OwnerLostError("this session is not open (any more): reconnect"))
            return
        session.heard_at = self.now
        if ask.seq:
            answers = session.answers
            if ask.low > session.low:
                session.low = ask.low
                for seq in [s for s in answers if s < ask.low]:
                    del answers[seq]
            if self._answered_before(ask):
                return
        if kind is Withdraw:
            self._withdraw(ask)
            return
        self.run(ask, lambda: ROUTES[kind](self, ask))

    def _answered_before(self, ask: Ask) -> bool:
        """Give the first answer again where this request, or the one that it repeats, has had one."""
        session = self.state.sessions.get(ask.session)
        if session is None or not ask.seq:
            return False
        if ask.seq < session.low:
            error = OwnerLostError("this request was answered before, and nobody awaits its answer any more")
            self._replies.append((ask, error))
            return True
        body = session.answers.get(ask.seq)
        if body is None:
            return False
        self._replies.append((ask, msgspec.msgpack.decode(body, type=REPLIES[type(ask.request)])))
        return True

    def refuse_parked(self, session_id: bytes, error: QueuackError) -> None:
        """Answer all that a session still waits for: nobody listens for it any more."""

        def mine(ask: Ask) -> bool:
            return ask.session == session_id

        parked = [w.ask for w in self.hungry if mine(w.ask)]
        self.hungry = [w for w in self.hungry if not mine(w.ask)]
        parked += self._unregister(mine)
        session = self.state.sessions.get(session_id)
        if session is not None and session.watch is not None:
            parked.append(session.watch[0])
            session.watch = None
        for ask in parked + self.lookup.drop(session_id):
            self.reply(ask, error)

    def run(self, ask: Ask | None, step: Callable[[], Any]) -> None:
        """Run a handler; where it misses rows, read them and run it again; reply with what it returns."""
        try:
            value = step()
        except Missing as missing:
            self.lookup.fetch(missing, ask, lambda: self.run(ask, step))
            return
        except QueuackError as error:
            value = error
        if value is not self.PARKED and ask is not None:
            self.reply(ask, value)

    def reply(self, ask: Ask, value: Any) -> None:
        """Answer an ask at the end of this cycle; keep the answer where it may be asked for again."""
        self._replies.append((ask, value))
        if ask.seq and type(ask.request) in KEPT and not isinstance(value, QueuackError):
            session = self.state.sessions.get(ask.session)
            if session is not None:
                body = msgspec.msgpack.encode(value)
                answers = session.answers
                answers[ask.seq] = body
                self.draft.answers.append(Answer(ask.session, ask.seq, ask.low, body))
                self.draft.on_rollback(lambda: answers.pop(ask.seq, None))

    def _withdraw(self, ask: Ask) -> None:
        number, session = ask.request.seq, ask.session

        def mine(other: Ask) -> bool:
            return other.session == session and (other.seq or other.low) == number

        self.hungry = [w for w in self.hungry if not mine(w.ask)]
        self._unregister(mine)

    def _unregister(self, chosen: Callable[[Ask], bool]) -> list[Ask]:
        """Take the chosen asks out of those that wait for a job or a run to end; return them."""
        taken: list[Ask] = []
        for register in (self.waiters, self.run_waiters):
            for key in [k for k, asks in register.items() if any(map(chosen, asks))]:
                taken += [ask for ask in register[key] if chosen(ask)]
                register[key] = [ask for ask in register[key] if not chosen(ask)]
                if not register[key]:
                    del register[key]
        return taken

    def _loaded(self, loaded: Loaded) -> None:
        waiting = self.lookup.take(loaded)
        if waiting is None:
            return
        go_on, ask = waiting
        if ask is not None and self._answered_before(ask):
            return
        if isinstance(loaded.value, BaseException):
            logger.warning("a read failed: %s", loaded.value)
            if ask is not None:
                self.reply(ask, loaded.value)
                return
        self.run(ask, lambda: go_on(loaded.value) or self.PARKED)

    # -- what handlers ask of the whole ----------------------------------------------------------

    def wake_waiters(self, job: Job) -> None:
        """Answer those who wait for a job that has ended."""
        for ask in self.waiters.pop(job.id, ()):
            self.reply(ask, result_of(job))

    def listeners(self, queue: str) -> list[Session]:
        """Return the sessions whose workers claim from a queue, or would if they were not held back."""
        return [s for s in self.state.sessions.values() if s.closed_at is None and queue in s.queues]

    def want_refill(self, queue: Queue) -> None:
        """Look at this queue's window at the end of the cycle."""
        self.state.fed.add(queue.name)

    # -- the end of a cycle ----------------------------------------------------------------------

    def _upkeep(self) -> float | None:
        """Promote what is due, watch the sessions, and say when to wake next."""
        delayed, now = self.state.delayed, self.now
        while (job := delayed.peek()) is not None and (job.execute_after or 0.0) <= now:
            delayed.pop()
            self.state.move(job, "due")
            self.state.place(job)
        wakes = [job.execute_after] if job is not None else []
        wakes += [self._expiring.see_to_it(), self._retaining.see_to_it(), self._refiller.wakes_at()]
        if self._watch_again <= now:
            try:
                wakes.append(watch_sessions(self))
            except Missing as missing:
                self._watch_again = now + REST_S  # then, should this read fail
                self.lookup.fetch(missing, go_on=self._watch_now)
        if self._watch_again > now:
            wakes.append(self._watch_again)
        if self.hungry or self.state.fed:
            serve_waiting(self)
            wakes += [w.deadline for w in self.hungry if w.deadline > now]
        return min((w for w in wakes if w is not None), default=None)

    def _watch_now(self) -> None:
        self._watch_again = 0.0

    def _finish_cycle(self) -> None:
        state = self.state
        self._refiller.balance()
        for run in state.draft.runs():
            if run.ended:
                for ask in self.run_waiters.pop(run.spec.id, ()):
                    self.reply(ask, run.status)
        state.fed.clear()
        self.lookup.finish()
        if self._unapplied:
            self._forget_applied(self.lookup.floor())

    def _forget_applied(self, floor: int) -> None:
        """Forget what DuckDB has and no read under way can have missed."""
        state = self.state
        if state.purged and self._unapplied[0][0] <= floor:
            state.purged = {job_id: at for job_id, at in state.purged.items() if at > floor}
        while self._unapplied and self._unapplied[0][0] <= floor:
            _, jobs, runs = self._unapplied.popleft()
            state.forget_clean(jobs, floor)
            for run in runs:
                if run.ended and run.cycle <= floor and state.runs.get(run.spec.id) is run:
                    state.forget_run(run)
                    self.lookup.forget_key(run)
