"""Sessions: opened, kept alive, back after a takeover, silent for too long, gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queuack_store.engine.entries import Session
from queuack_store.engine.handlers.endings import need_children
from queuack_store.engine.handlers.finishing import give_back, release_claims, take_back
from queuack_store.engine.inbox import CloseSession, OpenSession
from queuack_store.errors import OwnerLostError, StoreClosedError
from queuack_store.requests import Heartbeat

if TYPE_CHECKING:
    from queuack_store.engine.core import Core
    from queuack_store.engine.inbox import Ask

RECONNECT_S = 10.0  # how long a session from before a takeover may take to come back
ANSWERS_KEPT_S = 600.0  # how long the answers of an ended session are kept for a resend


def open_session(core: Core, ask: Ask) -> list[bytes]:
    """Answer `OpenSession`: which of the claims it says it holds are lost."""
    request: OpenSession = ask.request
    sessions, info = core.state.sessions, request.info
    session = sessions.get(info.id)
    held = dict(request.holds)
    if session is not None:
        session.heard_at = core.now
        lost = [job for job in session.claims.values() if held.get(job.id) != job.claim]
        need_children(core, [job for job in lost if job.skip_reason], deep=True)
        core.refuse_parked(info.id, OwnerLostError("this session has another connection now: ask again"))
    known = session is not None and session.orphan
    if session is None:
        session = sessions[info.id] = Session(info, core.now)
        core.draft.on_rollback(lambda: sessions.pop(info.id, None))
    before = (session.info, session.closed_at, session.orphan)
    session.info, session.closed_at, session.orphan = info, None, False
    session.heard_at = core.now
    if not known:
        core.draft.opened.append(info)
        # A record's closed sessions are taken after its opened ones: one that came back is not among them.
        core.draft.closed = [entry for entry in core.draft.closed if entry[0] != info.id]
    for job in list(session.claims.values()):
        if held.get(job.id) != job.claim:
            take_back(core, job)  # its answer never reached the worker
    opened = session
    core.draft.on_rollback(lambda: _set(opened, before))
    mine = session.claims
    return [job_id for job_id, claim in held.items() if job_id not in mine or mine[job_id].claim != claim]


def _set(session: Session, before: tuple[Any, ...]) -> None:
    session.info, session.closed_at, session.orphan = before


def close_session(core: Core, ask: Ask) -> None:
    """Answer `CloseSession`: nothing of it stays claimed."""
    request: CloseSession = ask.request
    session = core.state.sessions.get(request.session)
    if session is None or session.closed_at is not None:
        return
    if request.orderly:
        need_children(core, [job for job in session.claims.values() if job.skip_reason], deep=True)
        part_with(core, session)
        return
    release_claims(core, session, _died(session), "died")
    _close(core, session)


def part_with(core: Core, session: Session) -> None:
    """End a session and return all that it holds, unspent; children of what was cancelled are in memory."""
    give_back(core, session)
    _close(core, session)


def _died(session: Session) -> str:
    return f"the worker died: process {session.info.pid} went away while it ran this job"


def _close(core: Core, session: Session) -> None:
    before = (session.info, None, session.orphan)
    session.closed_at, session.orphan = core.now, False
    core.refuse_parked(
        session.info.id, StoreClosedError("this handle was closed while the request was under way")
    )
    core.draft.closed.append((session.info.id, core.now))
    core.draft.on_rollback(lambda: _set(session, before))


def heartbeat(core: Core, ask: Ask) -> Any:
    """Answer `Heartbeat`: the claims to be cancelled, at once or (parked) when there is one."""
    request: Heartbeat = ask.request
    session = core.state.sessions[ask.session]
    if session.watch is not None:
        core.reply(session.watch[0], [])
        session.watch = None
    doomed = [job.id for job in session.claims.values() if job.skip_reason is not None]
    if doomed or request.wait_s <= 0:
        return doomed
    session.watch = (ask, core.now + request.wait_s)
    return core.PARKED


def tell_cancelled(core: Core, job_id: bytes, session_id: bytes | None) -> None:
    """Wake the session's waiting heartbeat: one of its jobs is to be cancelled."""
    session = core.state.sessions.get(session_id) if session_id is not None else None
    if session is not None and session.watch is not None:
        ask, session.watch = session.watch[0], None
        core.reply(ask, [job_id])


def watch_sessions(core: Core) -> float | None:
    """Release the claims of silent sessions, end waits that are over, forget old ones; when to look again."""
    wake: float | None = None
    for session in list(core.state.sessions.values()):
        due: float | None = None
        if session.closed_at is not None:
            due = session.closed_at + ANSWERS_KEPT_S
            durable = session.closed_at < core.now  # not of this cycle, which may be taken back
            if due <= core.now or (durable and not session.answers):
                del core.state.sessions[session.info.id]
                continue
        elif session.orphan:
            due = session.heard_at + RECONNECT_S
            if due <= core.now:
                release_claims(core, session, _died(session), "died")
                _close(core, session)
                continue
        elif session.claims:
            due = session.heard_at + session.lease_s
            if due <= core.now:
                why = f"no sign of life for {session.lease_s:g} s from process {session.info.pid}"
                release_claims(core, session, why, "lost")
                due = None
        if session.watch is not None:
            ask, until = session.watch
            if until <= core.now:
                session.watch = None
                core.reply(ask, [])
            else:
                due = until if due is None else min(due, until)
        if due is not None and (wake is None or due < wake):
            wake = due
    return wake
