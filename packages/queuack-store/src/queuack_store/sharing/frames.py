"""What travels on the socket: frames, the messages in them, and how both are written and read.

A frame is a length (4 bytes, big-endian, the top bit says that the message goes on in the next frame)
and that many bytes. A message is MessagePack, an array that begins with its name. docs/protocol.md
is the specification.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from queuack_store.errors import InvalidRequestError, ProtocolError, QueuackError, from_wire, to_wire
from queuack_store.jobs import SessionInfo
from queuack_store.requests import MAX_BATCH_BYTES, AnyRequest

PROTOCOL = 1
MAX_FRAME_BYTES = 4 << 20  # what one read must buffer before anything can be decided
MAX_MESSAGE_BYTES = MAX_BATCH_BYTES + (32 << 20)  # a full batch and what surrounds its payloads
MAX_HELLO_BYTES = MAX_FRAME_BYTES  # before the greeting nobody may make us hold more
READ_BYTES = 256 << 10
_HEAD = 4
_MORE = 1 << 31

Number = Annotated[int, msgspec.Meta(ge=1, lt=1 << 62)]
Id = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The base of all messages."""


class Hello(Message, frozen=True, tag="hello"):
    """First on a connection: who asks, for which file, and which claims it holds from before.

    `device` and `inode` are the database file as the client sees it, 0 where it sees none. `back`
    says that the session was open before, at this owner or an earlier one.
    """

    protocol: int
    device: int
    inode: int
    info: SessionInfo
    holds: list[tuple[Id, int]] = []
    back: bool = False


class AskMessage(Message, frozen=True, tag="ask"):
    """One request: its number, the lowest number still awaited, and the request of requests.py."""

    seq: Number
    low: Number
    request: AnyRequest


class WithdrawMessage(Message, frozen=True, tag="withdraw"):
    """The client no longer awaits this request; a waiting one is forgotten."""

    seq: Number


class Ping(Message, frozen=True, tag="ping"):
    """Are you there? Answered at once by `Pong`, past the engine."""


class Bye(Message, frozen=True, tag="bye"):
    """An orderly end of the session, after everything sent before; answered by `Gone`."""


class Welcome(Message, frozen=True, tag="welcome"):
    """The session is open. `lost` are those of its claims that it no longer holds.

    `database` tells this database from every other, also from one that was given its inode later.
    """

    protocol: int
    pid: int
    lost: list[bytes] = []
    database: bytes = b""


class ReplyMessage(Message, frozen=True, tag="reply"):
    """The reply to request `seq`, as its type says."""

    seq: int
    value: msgspec.Raw


class Failure(Message, frozen=True, tag="error"):
    """Request `seq` failed with an error of errors.py; 0: the connection did, and is closed after this."""

    seq: int
    name: str
    text: str
    facts: dict[str, Any] = {}

    def error(self) -> QueuackError:
        """Return the error as an exception."""
        return from_wire((self.name, self.text, self.facts))


class Closing(Message, frozen=True, tag="closing"):
    """This owner is leaving: start another once the lock is free, and ask that one."""


class Pong(Message, frozen=True, tag="pong"):
    """The answer to `Ping`."""


class Gone(Message, frozen=True, tag="gone"):
    """The session is closed. `leaving`: it was the last; the connection ends when the file is free."""

    leaving: bool = False


FromClient = Hello | AskMessage | WithdrawMessage | Ping | Bye
FromOwner = Welcome | ReplyMessage | Failure | Closing | Pong | Gone

_encoder = msgspec.msgpack.Encoder(enc_hook=str)  # an odd fact of an error becomes its text
_from_owner: msgspec.msgpack.Decoder[FromOwner] = msgspec.msgpack.Decoder(FromOwner)


def client_decoder() -> msgspec.msgpack.Decoder[FromClient]:
    """Return a decoder of what clients send; made where one is served, for it takes a while to build."""
    return msgspec.msgpack.Decoder(FromClient)


def read_owner(body: bytes) -> FromOwner:
    """Decode what an owner sent.

    Raises:
        ProtocolError: it made no sense.
    """
    try:
        return _from_owner.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ProtocolError(
            f"the owner sent what this version can't read ({error}): upgrade one of the two"
        ) from error


def frame(body: bytes) -> list[bytes]:
    """Return the pieces to send for one message: a head and a body for each frame."""
    size = len(body)
    if size <= MAX_FRAME_BYTES:
        return [size.to_bytes(_HEAD, "big"), body]
    pieces = []
    for start in range(0, size, MAX_FRAME_BYTES):
        part = body[start : start + MAX_FRAME_BYTES]
        more = _MORE if start + MAX_FRAME_BYTES < size else 0
        pieces += [(len(part) | more).to_bytes(_HEAD, "big"), part]
    return pieces


def encode(message: Message) -> bytes:
    """Return a message as it is sent, framed."""
    return b"".join(frame(_encoder.encode(message)))


def encode_request(request: Any) -> bytes:
    """Return a request's bytes, to be sent with `ask` as often as needed.

    Raises:
        InvalidRequestError: it can't be encoded, or is too large to be one request.
    """
    try:
        body = _encoder.encode(request)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        name = type(request).__name__
        raise InvalidRequestError(f"the {name} can't be sent: {error}", request=name) from error
    if len(body) > MAX_MESSAGE_BYTES - 64:
        raise InvalidRequestError(
            f"the request has {len(body)} bytes, over {MAX_MESSAGE_BYTES}: split it",
            size=len(body),
            limit=MAX_MESSAGE_BYTES,
        )
    return body


def ask(seq: int, low: int, request: bytes) -> bytes:
    """Return `AskMessage` around an encoded request, framed."""
    # An array of 4 whose last element is there already.
    return b"".join(frame(b"\x94" + _encoder.encode(("ask", seq, low))[1:] + request))


def reply(seq: int, value: Any) -> list[bytes]:
    """Return `ReplyMessage` (or `Failure`, for an error) in pieces; too large a value becomes an error."""
    if not isinstance(value, BaseException):
        try:
            body = _encoder.encode(("reply", seq, value))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            value = QueuackError(f"the reply can't be sent: {error}")
        else:
            if len(body) <= MAX_MESSAGE_BYTES:
                return frame(body)
            value = InvalidRequestError(
                f"the reply has {len(body)} bytes, over {MAX_MESSAGE_BYTES}: ask for less at once",
                size=len(body),
                limit=MAX_MESSAGE_BYTES,
            )
    return frame(_encoder.encode(Failure(seq, *to_wire(value))))


class Assembler:
    """Puts messages together from the bytes that arrive; what it holds is bounded by `limit`."""

    __slots__ = ("_buffer", "_message", "limit")

    def __init__(self, limit: int = MAX_MESSAGE_BYTES) -> None:
        self.limit = limit
        self._buffer = bytearray()
        self._message = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was read and return the messages that are now whole.

        Raises:
            ProtocolError: a length is out of bounds; nothing after it can be understood.
        """
        source: bytes | bytearray = data
        if self._buffer:
            self._buffer += data
            source = self._buffer
        at, end = 0, len(source)
        whole = []
        while end - at >= _HEAD:
            head = int.from_bytes(source[at : at + _HEAD], "big")
            size = head & ~_MORE
            self._check(size, bool(head & _MORE))
            stop = at + _HEAD + size
            if stop > end:
                break
            body = bytes(source[at + _HEAD : stop])
            at = stop
            if head & _MORE:
                self._message += body
            elif self._message:
                self._message += body
                whole.append(bytes(self._message))
                self._message = bytearray()
            else:
                whole.append(body)
        if source is data:
            self._buffer += data[at:]
        else:
            del self._buffer[:at]
        return whole

    def _check(self, size: int, more: bool) -> None:
        if not 0 < size <= MAX_FRAME_BYTES or (more and size != MAX_FRAME_BYTES):
            raise ProtocolError(
                f"a frame of {size} bytes is out of bounds (1 to {MAX_FRAME_BYTES}, all of them where the "
                "message goes on): this is no client of queuack, or one of another version",
                size=size,
            )
        if len(self._message) + size > self.limit:
            raise ProtocolError(f"a message is over {self.limit} bytes: split the request", limit=self.limit)
