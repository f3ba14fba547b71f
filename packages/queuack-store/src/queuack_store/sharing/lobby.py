"""The way in: the listening socket, who may come through it, and the hello that opens a session."""

from __future__ import annotations

import errno
import os
import selectors
import socket
from typing import TYPE_CHECKING

from queuack_store.clock import monotonic
from queuack_store.engine.inbox import OpenSession
from queuack_store.errors import FileReplacedError, ForeignOwnerError, OwnerError, QueuackError
from queuack_store.sharing import frames, greeting, peers
from queuack_store.sharing.connection import OPEN, Connection, Hail
from queuack_store.sharing.listening import listen
from queuack_store.sharing.places import identity

if TYPE_CHECKING:
    from queuack_store.sharing.server import Server

MAX_CONNECTIONS = 4_096  # two descriptors each
ACCEPT_PAUSE_S = 0.2  # when there are no descriptors left
_ACCEPTS = 128  # in one go, before those who are in are served again


class Lobby:
    """Lets clients in. The server's thread only."""

    def __init__(self, server: Server, greeting_s: float) -> None:
        self._server = server
        self._greeting_s = greeting_s
        self._greeting: dict[Connection, float] = {}  # when each must have said hello, in that order
        self._accept_at: float | None = None
        self._listener, self.address = listen(server.place)
        self._sign = identity(self.address)
        server.selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def deadlines(self) -> list[float | None]:
        """Return when `look_at_the_clock` has something to do."""
        return [self._accept_at, next(iter(self._greeting.values()), None)]

    def look_at_the_clock(self, now: float) -> None:
        """Drop who has said no hello in time; accept again after a pause."""
        while self._greeting:
            connection, deadline = next(iter(self._greeting.items()))
            if deadline > now:
                break
            self._server.drop(connection, "said no hello in time")
        if self._accept_at is not None and self._accept_at <= now:
            self._accept_at = None
            self._server.selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def check_address(self) -> None:
        """Listen again where the socket's name was deleted: nobody could find it any more."""
        if identity(self.address) is not None:
            return
        self._server.note(f"{self.address} was deleted: listening again")
        if self._accept_at is None:
            self._server.selector.unregister(self._listener)
        self._accept_at = None
        self._listener.close()
        self._listener, self.address = listen(self._server.place)
        self._sign = identity(self.address)
        self._server.lock.announce(self.address)
        self._server.selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def take_down_the_sign(self) -> None:
        """Remove the socket's name where it is still ours; who has found it already is still answered."""
        try:
            if identity(self.address) == self._sign:
                os.unlink(self.address)
        except OSError:
            pass

    def shut(self) -> None:
        """Answer who still knocks, and listen no more."""
        if self._accept_at is None and self._listener.fileno() >= 0:
            self._accept(0)
        self._listener.close()

    def detach(self) -> int:
        """Return the listener's descriptor, for a forked child to close."""
        return self._listener.detach()

    def forget(self, connection: Connection) -> None:
        """A connection has said hello, or has ended."""
        self._greeting.pop(connection, None)

    def hello(self, connection: Connection, body: bytes) -> None:
        """Take the first message of a connection.

        Raises:
            ProtocolError, FileReplacedError: it is refused. LeavingError: this owner is about to leave.
        """
        server = self._server
        said = greeting.read_hello(server.decoder, body)
        if not server.is_in_place():
            if said.back:
                raise FileReplacedError(
                    f"{server.place.path} was deleted or replaced while it was in use", path=server.place.path
                )
            raise greeting.LeavingError
        if server.identity is not None:
            greeting.compare(server.place.path, (said.device, said.inode), server.identity)
        self.forget(connection)
        connection.session = said.info.id
        connection.state = OPEN
        connection.assembler.limit = frames.MAX_MESSAGE_BYTES
        server.join(connection)
        server.submit(connection, OpenSession(said.info, said.holds), tag=Hail.OPEN)

    def _accept(self, _mask: int) -> None:
        for _ in range(_ACCEPTS):
            try:
                sock, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
                self._server.note(f"no more clients for now: {error.strerror}")
                self._server.selector.unregister(self._listener)
                self._accept_at = monotonic() + ACCEPT_PAUSE_S
                return
            self._admit(sock)

    def _admit(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        try:
            pid, uid = peers.credentials(sock)
        except OSError:
            sock.close()
            return
        connection = Connection(self._server, sock, pid)
        refusal = self._refusal(uid)
        if refusal is not None:
            connection.send(refusal)
            connection.close()
            return
        self._greeting[connection] = monotonic() + self._greeting_s
        self._server.welcome(connection)

    def _refusal(self, uid: int) -> bytes | None:
        server = self._server
        if server.leaving:
            return frames.encode(frames.Closing())
        if uid != os.geteuid():
            error: QueuackError = ForeignOwnerError(
                f"the owner of {server.place.path} is a process of user {os.geteuid()}, "
                f"this one is of user {uid}",
                path=server.place.path,
            )
        elif len(server.connections) >= MAX_CONNECTIONS:
            error = OwnerError(
                f"{server.place.path} has {MAX_CONNECTIONS} open handles, which is the limit: close some",
                limit=MAX_CONNECTIONS,
            )
        else:
            return None
        return b"".join(frames.reply(0, error))
