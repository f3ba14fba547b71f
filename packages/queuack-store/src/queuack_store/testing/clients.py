"""Clients of a simulated engine: they number their requests, lose connections and send again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from queuack_store.engine.core import KEPT
from queuack_store.engine.inbox import Ask, CloseSession, OpenSession
from queuack_store.errors import OwnerLostError, QueuackError
from queuack_store.jobs import Outcome, SessionInfo
from queuack_store.requests import Claim, Finish
from queuack_store.testing.bench import NOBODY
from queuack_store.testing.deeds import DatedAsk


@dataclass
class Client:
    """One session, as its process sees it."""

    number: int
    session: bytes
    connected: bool = False
    closed: bool = False
    seq: int = 0
    awaited: dict[int, Any] = field(default_factory=dict)  # sent, not answered
    answers: dict[int, Any] = field(default_factory=dict)
    holds: dict[bytes, int] = field(default_factory=dict)
    link: int = 0  # replies of an earlier connection are lost

    def ask(self, request: Any) -> Ask:
        """Number a request and send it."""
        self.seq += 1
        self.awaited[self.seq] = request
        if isinstance(request, Finish):
            for outcome in request.outcomes:
                self.holds.pop(outcome.id, None)
        return self._ask(self.seq)

    def _ask(self, seq: int) -> Ask:
        low = min(self.awaited, default=self.seq + 1)
        return DatedAsk(self.session, self.awaited[seq], NOBODY, seq, low, tag=self.link)

    def connect(self) -> list[Ask]:
        """Open the session (anew), naming what it holds, and send again what was not answered."""
        self.link += 1
        self.connected = True
        info = SessionInfo(self.session, pid=self.number + 1)
        opened = DatedAsk(self.session, OpenSession(info, list(self.holds.items())), NOBODY, tag=self.link)
        for seq in [s for s, request in self.awaited.items() if type(request) not in KEPT]:
            del self.awaited[seq]  # what changes nothing, or is a claim, is asked anew where it is wanted
        return [opened, *(self._ask(seq) for seq in sorted(self.awaited))]

    def disconnect(self) -> None:
        """Lose the connection: what was on its way to this side is gone."""
        self.connected = False
        self.link += 1

    def close(self, orderly: bool) -> Ask:
        """End the session."""
        self.connected, self.closed = False, True
        return DatedAsk(self.session, CloseSession(self.session, orderly), NOBODY, tag=self.link)

    def hear(self, ask: Ask, value: Any) -> None:
        """Take a reply, if it still comes through."""
        if ask.tag != self.link or not self.connected:
            return
        if isinstance(ask.request, OpenSession):
            for job_id in value if isinstance(value, list) else ():
                self.holds.pop(job_id, None)
            return
        if isinstance(value, OwnerLostError):
            self.connected = False
            return
        self.awaited.pop(ask.seq, None)
        if not isinstance(value, QueuackError) and type(ask.request) in KEPT:
            known = self.answers.setdefault(ask.seq, value)
            assert known == value, f"request {ask.seq} was answered twice, and differently"
        if isinstance(ask.request, Claim) and isinstance(value, list):
            self.holds.update((job.id, job.claim) for job in value)

    def finish(self, count: int, kind: str = "done", **facts: Any) -> Finish:
        """End some of the claims it holds."""
        held = list(self.holds.items())[:count]
        return Finish([Outcome(job_id, claim, kind, **facts) for job_id, claim in held])
