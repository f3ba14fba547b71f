"""What a client has asked and not yet been told: the future of each request, and the claims it holds."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import msgspec

from queuack_store.clock import monotonic
from queuack_store.errors import ProtocolError, QueuackError
from queuack_store.jobs import ClaimedJob, Outcome
from queuack_store.requests import REPLIES, Claim, Finish, Heartbeat, Request, Wait, WaitRun
from queuack_store.sharing import frames

if TYPE_CHECKING:
    from queuack_store.sharing.courier import Courier

_decoders: dict[type[Request], msgspec.msgpack.Decoder[Any]] = {}


def decode_reply(kind: type[Request], raw: msgspec.Raw) -> Any:
    """Decode a reply as its request's type says.

    Raises:
        ProtocolError: it is of another shape.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(REPLIES[kind])
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ProtocolError(
            f"the owner's reply to {kind.__name__} makes no sense to this version ({error}): "
            "give all processes that share the file the same queuack",
            request=kind.__name__,
        ) from error


class Call(Future[Any]):
    """The future of one request."""

    def __init__(self, courier: Courier, request: Request) -> None:
        super().__init__()
        self.courier = courier
        self.kind = type(request)
        self.body = frames.encode_request(request)
        self.seq = 0
        self.asked_at = monotonic()
        self.outcomes: list[Outcome] = request.outcomes if isinstance(request, Finish) else []
        # Requests that may wait for something to happen are no sign of trouble when no reply comes.
        self.waits = isinstance(request, Wait | WaitRun) or (
            isinstance(request, Claim | Heartbeat) and request.wait_s > 0
        )

    def cancel(self) -> bool:
        """Give the request up; a waiting one is withdrawn, a claim that comes all the same is handed back."""
        if self.cancelled():
            return True
        done = super().cancel()
        if done:
            self.courier.withdraw(self)
        return done

    def settle(self, value: Any) -> bool:
        """Set the result or the error; False where the caller had given up."""
        if self.cancelled() or self.done() or not self.set_running_or_notify_cancel():
            return False
        if isinstance(value, BaseException):
            self.set_exception(value)
        else:
            self.set_result(value)
        return True


class Holds:
    """The claims of this session, as far as the client knows: what a new owner is told."""

    def __init__(self) -> None:
        self._claims: dict[bytes, int] = {}

    def __bool__(self) -> bool:
        return bool(self._claims)

    def items(self) -> list[tuple[bytes, int]]:
        """Return (job id, claim number) of each."""
        return list(self._claims.items())

    def note_reply(self, call: Call, value: Any) -> None:
        """Take over what a reply says: new claims, and claims that have ended or turned out to be lost."""
        if isinstance(value, QueuackError):
            return
        if call.kind is Claim:
            self._claims.update((job.id, job.claim) for job in value)
        for outcome in call.outcomes:
            self._drop(outcome.id, outcome.claim)

    def drop_lost(self, ids: list[bytes]) -> None:
        """Forget claims that the owner says are gone."""
        for job_id in ids:
            self._claims.pop(job_id, None)

    def _drop(self, job_id: bytes, claim: int) -> None:
        if self._claims.get(job_id) == claim:
            del self._claims[job_id]


def hand_back(jobs: list[ClaimedJob]) -> Finish:
    """Return the request that gives claims back which nobody awaited any more."""
    return Finish(outcomes=[Outcome(job.id, job.claim, "returned") for job in jobs])
