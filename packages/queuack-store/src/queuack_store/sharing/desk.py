"""What clients say, read from their sockets and turned into asks for the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queuack_store.engine.inbox import Ask, CloseSession, Withdraw
from queuack_store.errors import OwnerError, ProtocolError
from queuack_store.sharing import frames, greeting
from queuack_store.sharing.connection import DEAD, GREETING, LEAVING, MAX_INFLIGHT, Connection, Hail

if TYPE_CHECKING:
    from queuack_store.sharing.server import Server


def read(server: Server, connection: Connection) -> bool:
    """Read once; what came in one read goes to the engine together. False where there was nothing.

    Raises:
        QueuackError: the connection is to be refused for this. LeavingError: to be told to go elsewhere.
        OSError: the client is gone.
    """
    if connection.state == DEAD:
        return False
    try:
        data = connection.sock.recv(frames.READ_BYTES)
    except BlockingIOError:
        return False
    if not data:
        server.drop(connection, "")
        return False
    asks: list[Ask] = []
    try:
        for body in connection.assembler.feed(data):
            if connection.state == GREETING:
                server.lobby.hello(connection, body)
            else:
                _take(server, connection, body, asks)
    finally:
        for ask in asks:  # also those before a message that made no sense
            server.engine.submit(ask)
    return True


def _take(server: Server, connection: Connection, body: bytes, asks: list[Ask]) -> None:
    message = greeting.read_message(server.decoder, body)
    session = connection.session
    if connection.state == LEAVING or session is None:
        raise ProtocolError("a message came after bye")
    if type(message) is frames.AskMessage:
        if connection.is_full:
            error = OwnerError("too many requests are open on this handle: wait", limit=MAX_INFLIGHT)
            connection.send(b"".join(frames.reply(message.seq, error)))
            return
        connection.take_in(message.seq, len(body))
        asks.append(Ask(session, message.request, connection, message.seq, message.low, message.seq))
    elif type(message) is frames.WithdrawMessage:
        connection.forget(message.seq)
        asks.append(Ask(session, Withdraw(message.seq), connection))
    elif type(message) is frames.Ping:
        connection.send(frames.encode(frames.Pong()))
    elif type(message) is frames.Bye:
        connection.state = LEAVING
        asks.append(Ask(session, CloseSession(session, orderly=True), connection, tag=Hail.CLOSE))
    else:
        raise ProtocolError("a second hello came on one connection")
