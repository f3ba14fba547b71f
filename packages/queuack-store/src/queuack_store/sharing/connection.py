"""One client's connection, seen from the owner: a session, its requests in flight, its replies.

Two threads meet here. The server's thread reads and closes; the engine's thread calls `reply` and
`flush` and sends at once where nothing waits to be sent. `_lock` guards the socket's sending side,
`_tally` what is in flight: who reads must not wait for who sends.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from queuack_store.engine.inbox import Ask
from queuack_store.errors import QueuackError
from queuack_store.sharing import frames

if TYPE_CHECKING:
    from queuack_store.sharing.server import Server

MAX_UNSENT_BYTES = 128 << 20  # a client that lets so much pile up does not read: it is dropped
PAUSE_UNSENT_BYTES = 8 << 20  # above this its requests wait until it has read some replies
MAX_INFLIGHT_BYTES = 128 << 20  # requests that the engine has not answered; more are not read
MAX_INFLIGHT = 100_000  # and their number, long waits included; more are refused

NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)  # a program may have SIGPIPE at its default

GREETING, OPEN, LEAVING, DEAD = range(4)


class Hail:
    """The tag of an ask that opens or closes the session itself."""

    OPEN = "hello"
    CLOSE = "bye"
    DROP = "drop"


class Connection:
    """A client of the server. Is the engine's `Sink` for what this client asked."""

    def __init__(self, server: Server, sock: socket.socket, pid: int) -> None:
        self.server = server
        self.sock = sock
        self.pid = pid
        self.pidfd: int | None = None
        self.state = GREETING
        self.session: bytes | None = None
        self.assembler = frames.Assembler(frames.MAX_HELLO_BYTES)
        self.mask = 0  # what the server's selector watches for
        self._lock = threading.Lock()
        self._tally = threading.Lock()
        self._unsent: deque[memoryview] = deque()
        self._unsent_bytes = 0
        self._sizes: dict[int, int] = {}
        self._inflight_bytes = 0
        self._ready: list[bytes] = []  # the engine's thread only
        self._answered: list[int] = []

    # -- the server's thread -----------------------------------------------------------------------

    def take_in(self, seq: int, size: int) -> None:
        """Note a request of so many bytes that goes to the engine now."""
        with self._tally:
            self._inflight_bytes += size - self._sizes.get(seq, 0)
            self._sizes[seq] = size

    def forget(self, seq: int) -> None:
        """Note that no reply will come to this request."""
        with self._tally:
            self._inflight_bytes -= self._sizes.pop(seq, 0)

    @property
    def is_full(self) -> bool:
        """Whether it has more requests open than it may."""
        return len(self._sizes) >= MAX_INFLIGHT

    @property
    def is_held_back(self) -> bool:
        """Whether its requests must wait: too much of it is unanswered or unsent."""
        return self._inflight_bytes > MAX_INFLIGHT_BYTES or self._unsent_bytes > PAUSE_UNSENT_BYTES

    @property
    def has_unsent(self) -> bool:
        """Whether replies wait for the socket."""
        return bool(self._unsent)

    def send_rest(self) -> None:
        """Send what waits, as far as the socket takes it.

        Raises:
            OSError: the client is gone.
        """
        with self._lock:
            while self._unsent and self.state != DEAD:
                piece = self._unsent[0]
                sent = _send(self.sock, piece)
                self._unsent_bytes -= sent
                if sent < len(piece):
                    self._unsent[0] = piece[sent:]
                    return
                self._unsent.popleft()

    def close(self) -> None:
        """Close the socket; replies that still come are dropped."""
        with self._lock:
            self.state = DEAD
            self._unsent.clear()
            self._unsent_bytes = 0
            self.sock.close()

    # -- any thread --------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Send at once what the socket takes; the server's thread sends the rest."""
        with self._lock:
            if self.state == DEAD:
                return
            rest = memoryview(data)
            if not self._unsent:
                try:
                    rest = rest[_send(self.sock, rest) :]
                except OSError as error:
                    self.server.soon(self.server.drop, self, f"can't be written to ({error.strerror})")
                    return
            if not rest:
                return
            self._unsent.append(rest)
            self._unsent_bytes += len(rest)
            if self._unsent_bytes > MAX_UNSENT_BYTES:
                self.server.soon(self.server.drop, self, "does not read its replies")
                return
        self.server.soon(self.server.watch, self)

    # -- the engine's thread -----------------------------------------------------------------------

    def reply(self, ask: Ask, value: Any) -> None:
        """Take the reply to one ask; it is sent by `flush`."""
        tag = ask.tag
        if type(tag) is int:
            # An engine answers from its own thread; from the server's it only refuses, for it is ending.
            ending = self.server.is_ending or self.server.is_this_thread
            if isinstance(value, QueuackError) and ending:
                return  # unanswered: the client asks the next owner
            self._ready += frames.reply(tag, value)
            self._answered.append(tag)
        elif tag is Hail.OPEN:
            self.server.soon(self.server.greet, self, value)
        elif tag is Hail.CLOSE:
            self.flush()  # what was asked before the goodbye is answered before it
            self.server.soon(self.server.part, self)

    def flush(self) -> None:
        """Send the replies of this cycle."""
        if not self._ready:
            return
        data, self._ready = b"".join(self._ready), []
        answered, self._answered = self._answered, []
        held_back = self.is_held_back
        with self._tally:
            for seq in answered:
                self._inflight_bytes -= self._sizes.pop(seq, 0)
        self.send(data)
        if held_back and not self.is_held_back:
            self.server.soon(self.server.watch, self)

    def fail(self, error: QueuackError) -> None:
        """Say what is wrong with the connection; the caller drops it."""
        self.send(b"".join(frames.reply(0, error)))


def _send(sock: socket.socket, piece: memoryview) -> int:
    """Send to a non-blocking socket; 0 where it takes nothing now."""
    try:
        return sock.send(piece, NO_SIGNAL)
    except BlockingIOError:
        return 0
