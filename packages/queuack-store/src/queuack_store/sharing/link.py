"""The client's end of one connection: what is still to be sent, what has arrived, and how to be woken.

`push` is called under the courier's lock by any thread, `wait` by the one thread that reads.
"""

from __future__ import annotations

import os
import select
import socket
from collections import deque

from queuack_store.clock import monotonic
from queuack_store.sharing import frames
from queuack_store.sharing.dialing import Line
from queuack_store.sharing.forking import close_quietly

_SEND_FLAGS = getattr(socket, "MSG_DONTWAIT", 0) | getattr(socket, "MSG_NOSIGNAL", 0)


class Link:
    """One connection, from its welcome to its end."""

    def __init__(self, line: Line) -> None:
        self.pid = line.pid
        self.arrived: deque[bytes] = deque(line.early)
        self.unsent_bytes = 0
        self.heard_at = monotonic()
        self.broken = False
        self._sock = line.sock
        self._assembler = line.assembler
        self._unsent: deque[memoryview] = deque()
        self._wake_out, self._wake_in = os.pipe()
        os.set_blocking(self._wake_in, False)
        self._poll = select.poll()
        self._poll.register(self._wake_out, select.POLLIN)
        self._poll.register(self._sock, select.POLLIN)

    def push(self, data: bytes) -> bool:
        """Send, without waiting; False where something is left for the reader to send."""
        rest = memoryview(data)
        try:
            if not self._unsent:
                rest = rest[self._sock.send(rest, _SEND_FLAGS) :]
                if not rest:
                    return True
        except BlockingIOError:
            pass
        except OSError:  # broken: who reads will find out, and what is unanswered is sent again
            return True
        except BaseException:  # an interrupt: how much was sent is not known
            self.broken = True
            raise
        self._unsent.append(rest)
        self.unsent_bytes += len(rest)
        return False

    def send_rest(self) -> None:
        """Send what is left, as far as the socket takes it; under the lock, as `push`."""
        while self._unsent:
            piece = self._unsent[0]
            try:
                sent = self._sock.send(piece, _SEND_FLAGS)
            except OSError:  # full again, or broken and soon noticed by reading
                return
            self.unsent_bytes -= sent
            if sent < len(piece):
                self._unsent[0] = piece[sent:]
                return
            self._unsent.popleft()

    def wait(self, timeout_s: float) -> tuple[bool, bool]:
        """Wait until something can be read or written, and read it into `arrived`.

        Returns:
            Whether the connection still stands, and whether what is unsent can now be sent.
        """
        writable = False
        self._poll.modify(self._sock, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        for descriptor, mask in self._poll.poll(timeout_s * 1000):
            if descriptor == self._wake_out:
                try:
                    os.read(self._wake_out, 4096)
                except OSError:  # user code has closed what was not its own
                    return False, False
                continue
            writable = bool(mask & select.POLLOUT)
            if mask & ~select.POLLOUT and not self._read():
                return False, False
        return not self.broken, writable

    def _read(self) -> bool:
        try:
            data = self._sock.recv(frames.READ_BYTES, socket.MSG_DONTWAIT)
            self.arrived.extend(self._assembler.feed(data))
        except BlockingIOError:
            return True
        except OSError:
            return False
        except BaseException:  # an interrupt (or nonsense): what was read may be lost
            self.broken = True
            raise
        self.heard_at = monotonic()
        return bool(data)

    def wake(self) -> None:
        """Make `wait` return."""
        try:
            os.write(self._wake_in, b".")
        except OSError:
            pass

    def close(self) -> None:
        """Close this process's descriptors; never shut down: a forked parent may use the connection."""
        close_quietly(self._sock.detach())
        for descriptor in (self._wake_out, self._wake_in):
            close_quietly(descriptor)
        self._wake_in = self._wake_out = -1
