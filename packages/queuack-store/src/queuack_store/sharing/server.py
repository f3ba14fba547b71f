"""The server: one thread that reads what clients ask and hands it to the engine.

It decides when an owner leaves; `close` then does it in order: no new clients, the engine's
last answers, the file closed, the lock freed, and only then the end of the connections.
"""

from __future__ import annotations

import errno
import os
import selectors
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from queuack_store.clock import monotonic
from queuack_store.engine.inbox import Ask, CloseSession
from queuack_store.errors import FileReplacedError, QueuackError
from queuack_store.sharing import desk, frames, greeting, peers
from queuack_store.sharing.connection import DEAD, GREETING, LEAVING, OPEN, Connection, Hail
from queuack_store.sharing.forking import close_quietly, let_go_in_child
from queuack_store.sharing.lobby import Lobby
from queuack_store.sharing.ownership import Lock

LINGER_S = 3.0  # how long an owner stays when its clients vanished without a word
FIRST_LINGER_S = 10.0  # and when none has come yet
GREETING_S = 10.0  # how long a connection may take to say hello
CHECK_S = 2.0  # how often, while anybody is here, the file at the path is compared with the one that is open
LAST_WORDS_S = 2.0  # how long clients may take to read their last replies
MAX_LAST_READS = 1_024  # of a process that has ended: more than a socket's buffer holds
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Engine(Protocol):
    """What the server needs of an engine."""

    def submit(self, ask: Ask) -> None:
        """Take an ask, from any thread."""
        ...

    def abort(self, error: QueuackError) -> None:
        """End at once, telling everybody why."""
        ...

    def stop(self) -> None:
        """Answer what there is, apply it, close the file; does nothing the second time."""
        ...

    @property
    def failed(self) -> bool:
        """Whether it is ending for a fault."""
        ...

    @property
    def database_id(self) -> bytes:
        """What tells its database from every other."""
        ...

    @property
    def ended(self) -> threading.Event:
        """Set when it has ended, in order or not."""
        ...


class Server:
    """Serves one engine to the processes of this machine."""

    def __init__(
        self,
        engine: Engine,
        lock: Lock,
        *,
        stays: bool,
        note: Callable[[str], None],
        linger_s: float = LINGER_S,
        greeting_s: float = GREETING_S,
    ) -> None:
        self.engine, self.lock, self.place = engine, lock, lock.place
        self.note = note
        self.leaving = False
        self.wants_to_leave = threading.Event()
        """Set when `close` should be called."""
        self.identity = self.place.identity()
        self.decoder = frames.client_decoder()
        self.connections: set[Connection] = set()
        self.selector = selectors.DefaultSelector()
        self._stays, self._linger_s = stays, linger_s
        self._sessions: dict[bytes, Connection] = {}
        self._errors = 0
        self._checked_at = monotonic()
        self._leave_at = None if stays else self._checked_at + max(FIRST_LINGER_S, linger_s)
        self._finished = False
        self._soon: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self.lobby = Lobby(self, greeting_s)
        self._wake_out, self._wake_in = os.pipe()
        for descriptor in (self._wake_out, self._wake_in):
            os.set_blocking(descriptor, False)
        self.selector.register(self._wake_out, _READ, self._woken)
        self._thread = threading.Thread(target=self._run, name="queuack-server", daemon=True)
        lock.announce(self.lobby.address)
        let_go_in_child(self)
        self._thread.start()

    # -- from any thread ---------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """The socket's path."""
        return self.lobby.address

    @property
    def is_ending(self) -> bool:
        """Whether errors are no answers any more: the clients ask the next owner."""
        return self.leaving or self.engine.failed or self.engine.ended.is_set()

    @property
    def is_this_thread(self) -> bool:
        """Whether the caller is the server's own thread."""
        return threading.get_ident() == self._thread.ident

    def soon(self, function: Callable[..., None], *args: Any) -> None:
        """Have the server's thread call a function."""
        self._soon.append((function, args))
        try:
            os.write(self._wake_in, b".")
        except OSError:  # full: it wakes anyway; closed: nothing is left to do
            pass

    def leave(self, why: str) -> None:
        """Take no more clients and requests, and ask for `close`; safe in a signal handler."""
        self.soon(self._leave, why)

    def close(self) -> None:
        """Leave in order and free the lock; the second call does nothing."""
        if self._thread.is_alive():
            self.leave("closed")
            self.wants_to_leave.wait()
        self.engine.stop()
        self.soon(self._finish)
        self._thread.join()
        self.lock.release()
        for connection in list(self.connections):
            connection.close()  # who closed last waits for this: the file is free now
        self.connections.clear()
        for descriptor in (self._wake_in, self._wake_out):
            close_quietly(descriptor)
        self._wake_in = self._wake_out = -1

    def forked(self) -> None:
        """Let go of every descriptor in a forked child, so that the parent's clients can see it end."""
        self._finished = True
        # Not through the selector: its epoll is the parent's too.
        held = [self._wake_in, self._wake_out, self.lobby.detach()]
        for connection in list(self.connections):
            held.append(connection.sock.detach())
            if connection.pidfd is not None:
                held.append(connection.pidfd)
        for descriptor in held:
            close_quietly(descriptor)
        self.selector.close()

    # -- the server's thread -----------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._finished:
                self._wait(self._patience())
                self._look_at_the_clock()
        except Exception as error:  # a fault here would leave every client waiting
            self.note(f"the server failed: {type(error).__name__}: {error}")
            self._leave("the server failed")
            self.lobby.shut()
        self.selector.close()

    def _wait(self, patience: float | None) -> None:
        for key, mask in self.selector.select(patience):
            key.data(mask)
        while self._soon:
            function, args = self._soon.popleft()
            function(*args)

    def _woken(self, _mask: int) -> None:
        os.read(self._wake_out, 65_536)

    def _patience(self) -> float | None:
        # No event tells a process that a file it must not open (it would lose DuckDB's lock) has gone.
        watches = (self.connections or self._stays) and not self.leaving
        look_at = self._checked_at + CHECK_S if watches else None
        times = [at for at in (self._leave_at, look_at, *self.lobby.deadlines()) if at is not None]
        return max(0.0, min(times) - monotonic()) if times else None

    def _look_at_the_clock(self) -> None:
        now = monotonic()
        if self._finished or self.leaving:
            return
        self.lobby.look_at_the_clock(now)
        if self._leave_at is not None and self._leave_at <= now:
            self._leave("no clients are left")
        elif self.engine.ended.is_set():
            self._leave("the engine ended")
            for connection in list(self.connections):
                self.drop(connection, "")
        elif now - self._checked_at >= CHECK_S and self.is_in_place():
            self.lobby.check_address()

    def is_in_place(self) -> bool:
        """Return whether file and lock at the path are still this owner's; leave where they are not."""
        self._checked_at = monotonic()
        if self.identity is not None and self.place.identity() != self.identity:
            self._give_up_place(self.place.path)
        elif not self.lock.is_in_place():
            self._give_up_place(self.place.lock)
        return not self.leaving

    def _give_up_place(self, what: str) -> None:
        self._leave(f"{what} was deleted or replaced")
        if self._stays:  # the handles of this process have no connection whose end would tell them
            text = f"{what} was deleted or replaced while {self.place.path} was in use: open the queue again"
            self.engine.abort(FileReplacedError(text, path=self.place.path))

    # -- coming ------------------------------------------------------------------------------------

    def welcome(self, connection: Connection) -> None:
        """Take a connection in that has still to say hello."""
        self.connections.add(connection)
        self._leave_at = None
        self.watch(connection)
        try:
            connection.pidfd = peers.watch(connection.pid)
        except ProcessLookupError:
            self._bereave(connection)
            return
        if connection.pidfd is not None:
            self.selector.register(connection.pidfd, _READ, lambda _mask: self._bereave(connection))

    def join(self, connection: Connection) -> None:
        """Note whose connection this is now; an older one of the same session has ended unnoticed."""
        assert connection.session is not None
        older = self._sessions.get(connection.session)
        if older is not None:
            self.drop(older, "came back on another connection")
        self._sessions[connection.session] = connection

    def greet(self, connection: Connection, value: Any) -> None:
        """Answer a hello with what the engine said to it."""
        if isinstance(value, QueuackError):
            connection.fail(value)
            self.drop(connection, "was not let in")
        else:
            database = self.engine.database_id
            welcome = frames.Welcome(frames.PROTOCOL, os.getpid(), list(value or ()), database)
            connection.send(frames.encode(welcome))

    def submit(self, connection: Connection, request: Any, tag: Any) -> None:
        """Hand a request of the session itself to the engine."""
        assert connection.session is not None
        self.engine.submit(Ask(connection.session, request, connection, tag=tag))

    # -- reading -----------------------------------------------------------------------------------

    def watch(self, connection: Connection) -> None:
        """Watch for what a connection needs now: to be read, to be written, both or neither."""
        if connection.state == DEAD:
            return
        mask = 0 if connection.is_held_back or self.leaving else _READ
        mask |= _WRITE if connection.has_unsent else 0
        if mask == connection.mask:
            return
        if not connection.mask:
            self.selector.register(connection.sock, mask, lambda ready: self._handle(connection, ready))
        elif not mask:
            self.selector.unregister(connection.sock)
        else:
            self.selector.modify(connection.sock, mask, self.selector.get_key(connection.sock).data)
        connection.mask = mask

    def _handle(self, connection: Connection, mask: int) -> None:
        try:
            if mask & _WRITE:
                connection.send_rest()
            if mask & _READ and not self.leaving:
                desk.read(self, connection)
            self.watch(connection)
        except greeting.LeavingError:
            connection.send(frames.encode(frames.Closing()))
            self.drop(connection, "")
        except QueuackError as error:
            connection.fail(error)
            self.drop(connection, error.message)
        except OSError as error:
            self.drop(connection, "" if error.errno == errno.ECONNRESET else str(error))

    # -- going -------------------------------------------------------------------------------------

    def _bereave(self, connection: Connection) -> None:
        """The process has ended though its socket may live on in a child: read what it sent, then drop it."""
        self._watch_no_process(connection)
        try:
            for _ in range(MAX_LAST_READS):
                if not desk.read(self, connection):
                    break
        except (QueuackError, OSError, greeting.LeavingError):
            pass
        self.drop(connection, "")

    def part(self, connection: Connection) -> None:
        """The engine has closed a session in order: say goodbye, and leave where it was the last."""
        session, connection.session = connection.session, None
        if session is not None and self._sessions.get(session) is connection:
            del self._sessions[session]
        if connection.state == DEAD:
            return
        last = self.connections == {connection} and not self._stays
        connection.send(frames.encode(frames.Gone(last or self.leaving)))
        if last:
            self._leave("the last client closed")
        elif not self.leaving:
            self.drop(connection, "")

    def drop(self, connection: Connection, why: str) -> None:
        """End a connection, and with it its session."""
        if connection.state == DEAD or (self.leaving and connection.state == LEAVING):
            return
        if why:
            self._note_error(connection, why)
        if connection.mask:
            self.selector.unregister(connection.sock)
        self._watch_no_process(connection)
        connection.close()
        self.connections.discard(connection)
        self.lobby.forget(connection)
        session = connection.session
        if session is not None:
            if self._sessions.get(session) is connection:
                del self._sessions[session]
            if not self.is_ending:
                self.submit(connection, CloseSession(session), tag=Hail.DROP)
        if not self.connections and not self._stays and not self.leaving:
            self._leave_at = monotonic() + self._linger_s

    def _watch_no_process(self, connection: Connection) -> None:
        if connection.pidfd is not None:
            self.selector.unregister(connection.pidfd)
            os.close(connection.pidfd)
            connection.pidfd = None

    def _note_error(self, connection: Connection, why: str) -> None:
        self._errors += 1
        if self._errors <= 100 or self._errors % 1_000 == 0:  # a broken client must not fill the disk
            self.note(f"process {connection.pid} {why} (error {self._errors})")

    def _leave(self, why: str) -> None:
        if self.leaving:
            return
        self.note(f"leaving: {why}")
        self.leaving = True
        self._leave_at = None
        self.lobby.take_down_the_sign()
        for connection in list(self.connections):
            self.watch(connection)
        self.wants_to_leave.set()

    def _finish(self) -> None:
        """Give slow readers a moment for their last replies, answer who still knocks, and end the thread."""
        deadline = monotonic() + LAST_WORDS_S
        while any(c.has_unsent for c in self.connections) and monotonic() < deadline:
            self._wait(0.1)
        for connection in list(self.connections):
            if connection.state in (GREETING, OPEN):
                connection.send(frames.encode(frames.Closing()))
        self.lobby.shut()
        self._finished = True
