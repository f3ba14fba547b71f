"""Finding the owner of a file, or starting one: what a client does before it has a connection."""

from __future__ import annotations

import os
import random
import select
import socket
import threading
from collections.abc import Callable

from queuack_store.clock import monotonic
from queuack_store.errors import (
    FileReplacedError,
    ForeignOwnerError,
    OwnerLostError,
    OwnerTimeoutError,
    QueuackError,
)
from queuack_store.jobs import SessionInfo
from queuack_store.sharing import frames, ownership, peers
from queuack_store.sharing.listening import connect
from queuack_store.sharing.places import Place
from queuack_store.sharing.spawning import ended_early, start_owner

DIAL_S = 30.0  # how long a client tries, before it says who is in the way
_RETRY_S = (0.002, 0.05)  # the first and the longest pause between two tries
_VANISHED_MAX = 5  # owners that one client starts in vain: it is no chance that ended so many


class GivenUpError(Exception):
    """The handle was closed while it was dialling."""


class Line:
    """An open, greeted connection: the socket, who is at the other end, and what arrived so far."""

    __slots__ = ("assembler", "early", "lost", "pid", "sock")

    def __init__(self, sock: socket.socket, pid: int) -> None:
        self.sock = sock
        self.pid = pid
        self.assembler = frames.Assembler()
        self.early: list[bytes] = []
        self.lost: list[bytes] = []


class Caller:
    """What a client says in its hello, and which file it was connected to before.

    Attributes:
        known: its (device, inode), None where there was no file. database: its id, empty where unknown.
    """

    def __init__(self, info: SessionInfo) -> None:
        self.info = info
        self.known: tuple[int, int] | None = None
        self.database = b""


class Dialler:
    """One attempt to reach the owner of `place`, starting one where there is none."""

    def __init__(
        self,
        place: Place,
        caller: Caller,
        holds: Callable[[], list[tuple[bytes, int]]],
        *,
        timeout_s: float = DIAL_S,
        given_up: threading.Event | None = None,
    ) -> None:
        self._place = place
        self._caller = caller
        self._holds = holds
        self._timeout_s = timeout_s
        self._deadline = monotonic() + timeout_s
        self._given_up = given_up or threading.Event()
        self._pause = _RETRY_S[0]
        self._vanished = 0

    def dial(self) -> Line:
        """Return an open line.

        Raises:
            OwnerTimeoutError: there is an owner, which does not answer. OwnerStartError: there is none and
            none could be started. ForeignOwnerError, ProtocolError, FileReplacedError, StorageError.
        """
        while True:
            self._check_file()
            sock = self._connect()
            line = None if sock is None else self._greet(sock)
            if line is not None:
                return line
            if sock is None and self._start():
                continue
            if self._given_up.is_set():
                raise GivenUpError
            if monotonic() >= self._deadline:
                raise self._nobody()
            self._given_up.wait(self._pause * random.uniform(0.7, 1.3))
            self._pause = min(self._pause * 1.5, _RETRY_S[1])

    def _check_file(self) -> None:
        error = replaced(self._place, self._caller)
        if error is not None:
            raise error

    def _start(self) -> bool:
        """Become the one who starts the owner, where nobody holds the lock."""
        lock = ownership.take(self._place)
        if lock is None:
            return False
        if start_owner(lock, max(1.0, self._deadline - monotonic())) is None:
            self._vanished += 1
            if self._vanished == _VANISHED_MAX:
                raise ended_early(self._place)
        return True

    def _addresses(self) -> list[str]:
        announced = self._place.announced()
        if announced is not None:
            return [announced[1]]
        return [self._place.socket] if self._place.socket_fits else []

    def _connect(self) -> socket.socket | None:
        for address in self._addresses():
            try:
                return connect(address, max(0.05, self._deadline - monotonic()))
            except PermissionError as error:
                raise ForeignOwnerError(
                    f"{address} is not for user {os.geteuid()}: the file's owner is another user's process",
                    path=self._place.path,
                ) from error
            except OSError:
                continue
        return None

    def _greet(self, sock: socket.socket) -> Line | None:
        """Say hello; None where the owner is leaving, or left."""
        pid = 0
        try:
            pid, uid = peers.credentials(sock)
            if uid != os.geteuid():
                raise ForeignOwnerError(
                    f"the owner of {self._place.path} is a process of user {uid}, "
                    f"this one is of user {os.geteuid()}",
                    path=self._place.path,
                    uid=uid,
                )
            line = Line(sock, pid)
            device, inode = identity = self._place.identity() or (0, 0)
            back = self._caller.known is not None
            hello = frames.Hello(frames.PROTOCOL, device, inode, self._caller.info, self._holds(), back)
            sock.sendall(frames.encode(hello))  # within the time of `connect`
            sock.settimeout(None)
            answer = self._answer(line)
        except OSError as error:
            sock.close()
            if isinstance(error, QueuackError):
                raise
            return None
        except BaseException:
            sock.close()
            raise
        if answer is None:
            sock.close()
            return None
        known = self._caller.database
        if known and answer.database != known:  # the inode of a deleted file is given to the next one
            sock.close()
            raise FileReplacedError(
                f"{self._place.path} was deleted or replaced while it was in use (it was database "
                f"{known.hex()}, it is now {answer.database.hex()}): close this handle and open a new one",
                path=self._place.path,
            )
        line.lost = answer.lost
        self._caller.known, self._caller.database = identity if device else None, answer.database
        return line

    def _answer(self, line: Line) -> frames.Welcome | None:
        poll = select.poll()
        poll.register(line.sock, select.POLLIN)
        while True:
            left = self._deadline - monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise silent(self._place, line.pid, self._timeout_s)
            data = line.sock.recv(frames.READ_BYTES)
            if not data:
                return None
            bodies = line.assembler.feed(data)
            if not bodies:
                continue
            message = frames.read_owner(bodies[0])
            line.early = bodies[1:]
            if isinstance(message, frames.Welcome):
                return message
            if isinstance(message, frames.Failure):
                raise message.error()
            return None  # closing

    def _nobody(self) -> QueuackError:
        announced = self._place.announced()
        if announced is not None:
            return silent(self._place, announced[0], self._timeout_s)
        return OwnerLostError(
            f"no owner of {self._place.path} could be reached in {self._timeout_s:g} s: another process "
            f"holds {self._place.lock} and serves nobody; see {self._place.log}",
            path=self._place.path,
        )


def replaced(place: Place, caller: Caller) -> FileReplacedError | None:
    """Return the error to raise where the path leads to another file than the caller's, or to none."""
    known, found = caller.known, place.identity()
    if known is None or found == known:
        return None
    now = "there is nothing now" if found is None else f"it is now device {found[0]}, inode {found[1]}"
    return FileReplacedError(
        f"{place.path} was deleted or replaced while it was in use (it was device {known[0]}, "
        f"inode {known[1]}; {now}): close this handle and open a new one",
        path=place.path,
    )


def silent(place: Place, pid: int, seconds: float) -> OwnerTimeoutError:
    """Return the error about an owner that lives and does not answer."""
    stopped = peers.is_stopped(pid)
    if stopped:
        state = f"it is stopped: continue it (kill -CONT {pid}) or end it"
    else:
        state = f"it may be overloaded; see {place.log}"
    return OwnerTimeoutError(
        f"the owner of {place.path} (process {pid}) has not answered for {seconds:g} s: {state}",
        path=place.path,
        pid=pid,
        stopped=stopped,
    )
