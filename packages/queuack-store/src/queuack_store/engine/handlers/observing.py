"""What one can see of a queue at work, and what running jobs report of themselves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from queuack_store.engine.changes import LogRow, ProgressRow
from queuack_store.engine.entries import Job, Session
from queuack_store.engine.reads import ReadQuery
from queuack_store.errors import InvalidRequestError
from queuack_store.observed import (
    MAX_LINE_CHARS,
    MAX_LINES,
    MAX_REPORTED,
    Held,
    QueueVitals,
    Reported,
    SessionView,
    Vitals,
)
from queuack_store.requests import GetLogs, GetProgress, Report
from queuack_store.states import CLAIMED

if TYPE_CHECKING:
    from queuack_store.engine.core import Core
    from queuack_store.engine.inbox import Ask

MAX_SHOWN = 100  # running jobs of one session


def vitals(core: Core, ask: Ask) -> Any:
    """Answer `GetVitals`; how long the oldest ready job has waited is read from the rows."""

    def shape(rows: list[tuple[str, float]]) -> Vitals:
        since = dict(rows)
        queues = [
            QueueVitals(
                q.name,
                q.paused,
                {s: n for s, n in q.counts.items() if n},
                max(0.0, core.now - since[q.name]) if q.name in since else None,
            )
            for q in sorted(core.state.queues.values(), key=lambda q: q.name)
        ]
        return Vitals(core.state.tallies.shown(), queues, *core.meter.shown(), os.getpid())

    read = ReadQuery("oldest_ready", {}, core.draft.cycle - 1)
    core.lookup.read(read, lambda rows: core.reply(ask, shape(rows)), ask, pin=False)
    return core.PARKED


def sessions(core: Core, _: Ask) -> list[SessionView]:
    """Answer `Sessions`: those that are open, in order of their process."""
    open_ones = [s for s in core.state.sessions.values() if s.closed_at is None and not s.orphan]
    return [_view(core, s) for s in sorted(open_ones, key=lambda s: (s.info.pid, s.info.id))]


def _view(core: Core, session: Session) -> SessionView:
    running = [job for job in session.claims.values() if job.started_at is not None]
    running.sort(key=lambda job: job.started_at or 0.0)
    return SessionView(
        session.info.id,
        session.info.pid,
        session.info.name,
        session.worker,
        sorted(session.queues),
        max(0.0, core.now - session.heard_at),
        len(session.claims),
        [
            Held(
                job.id,
                job.spec.task,
                job.queue.name,
                job.attempts,
                max(0.0, core.now - (job.started_at or 0.0)),
            )
            for job in running[:MAX_SHOWN]
        ],
        session.held_back,
    )


def report(core: Core, ask: Ask) -> int:
    """Answer `Report`: keep what the session's current claims say, pass over the rest."""
    request: Report = ask.request
    if len(request.entries) > MAX_REPORTED:
        raise InvalidRequestError(
            f"one report speaks of {len(request.entries):,} attempts, the limit is {MAX_REPORTED:,}"
        )
    claims = core.state.sessions[ask.session].claims
    taken = 0
    for entry in request.entries:
        job = claims.get(entry.id)
        if job is not None and job.claim == entry.claim and job.status is CLAIMED:
            _keep(core, job, entry)
            taken += 1
    return taken


def _keep(core: Core, job: Job, entry: Reported) -> None:
    attempt = job.attempts + (job.started_at is None)
    said = entry.progress
    if said is not None:
        message = None if said.message is None else said.message[:MAX_LINE_CHARS]
        core.draft.progressed.append(
            ProgressRow(job.id, job.claim, attempt, core.now, said.done, said.total, message)
        )
    for line in entry.lines:
        if 1 <= line.line <= MAX_LINES + 1:  # the last one may say that there were more
            core.draft.logged.append(
                LogRow(
                    job.id, job.claim, attempt, line.line, line.at, line.level[:16],
                    line.message[:MAX_LINE_CHARS],
                )
            )  # fmt: skip


def get_progress(core: Core, ask: Ask) -> Any:
    """Answer `GetProgress`."""
    request: GetProgress = ask.request
    return _rows(core, ask, "progress", {"id": request.id})


def get_logs(core: Core, ask: Ask) -> Any:
    """Answer `GetLogs`."""
    request: GetLogs = ask.request
    return _rows(core, ask, "logs", {"id": request.id, "limit": request.limit})


def _rows(core: Core, ask: Ask, name: str, params: dict[str, Any]) -> Any:
    read = ReadQuery(name, params, core.draft.cycle - 1)
    core.lookup.read(read, lambda rows: core.reply(ask, rows), ask, pin=False)
    return core.PARKED
