"""Reading what clients say, and judging a hello: the right version, the right file."""

from __future__ import annotations

from typing import Any

import msgspec

from queuack_store.errors import FileReplacedError, ProtocolError
from queuack_store.sharing import frames

Decoder = msgspec.msgpack.Decoder[Any]


class LeavingError(Exception):
    """This owner is about to leave: the client is to be told to start another."""


def read_message(decoder: Decoder, body: bytes) -> Any:
    """Decode one message of a client.

    Raises:
        ProtocolError: it made no sense.
    """
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        raise ProtocolError(
            f"a message of {len(body)} bytes makes no sense: {error}", size=len(body)
        ) from None


def read_hello(decoder: Decoder, body: bytes) -> frames.Hello:
    """Decode the first message of a connection.

    Raises:
        ProtocolError: it is no hello, or one of another version.
    """
    version = _version(body)
    if version is not None and version != frames.PROTOCOL:
        raise ProtocolError(
            f"the owner speaks version {frames.PROTOCOL} of the protocol, the client version {version}: "
            "give all processes that share the file the same queuack",
            owner=frames.PROTOCOL,
            client=version,
        )
    hello = read_message(decoder, body)
    if not isinstance(hello, frames.Hello):
        raise ProtocolError("the first message must be hello")
    if len(hello.info.id) != 16:
        raise ProtocolError("a session's id has 16 bytes")
    return hello


def _version(body: bytes) -> int | None:
    """Return the version in a hello of any version: the second element, whatever follows."""
    try:
        found = msgspec.msgpack.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError):
        return None
    if isinstance(found, list) and len(found) > 1 and found[0] == "hello" and isinstance(found[1], int):
        return found[1]
    return None


def compare(path: str, client: tuple[int, int], owner: tuple[int, int]) -> None:
    """Refuse a client that means another file than the owner's.

    Raises:
        FileReplacedError: the files differ.
    """
    if client != owner:
        raise FileReplacedError(
            f"the client's {path} is device {client[0]}, inode {client[1]}; the owner has device {owner[0]}, "
            f"inode {owner[1]} open: the file was replaced, or the two see different folders under one name",
            path=path,
            client=list(client),
            owner=list(owner),
        )
