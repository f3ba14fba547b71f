"""What a supervisor and its children say to each other: JSON lines over a socket pair.

Down: setup (first), drain, now, pause (its name is the reason), resume, died (a job, with another child).
Up: ready, recycle, event, dying.
"""

from __future__ import annotations

import logging
import socket
from typing import Any

import msgspec

from queuack_worker.settings import Settings

MAX_LINE = 1 << 20  # an event of a job that fails to be described; more is cut off
_RECV = 65_536


class Setup(msgspec.Struct):
    """All that a child needs to begin.

    path: what to put in front of sys.path. cwd: where to run. patience_s: how long its own threads may
    be held up before it ends by itself, 0 for ever. held_back: why it is to claim nothing until told to.
    """

    db_path: str
    default_queue: str
    serialization: str
    allowed_modules: list[str] | None
    settings: Settings
    number: int
    path: list[str]
    log_level: int = logging.INFO
    log_format: str = "auto"
    patience_s: float = 60.0
    hooks: dict[str, tuple[str, bytes]] = {}
    held_back: str = ""


class Message(msgspec.Struct, omit_defaults=True):
    """One line, either way."""

    do: str
    setup: Setup | None = None
    timeout_s: float = 0.0
    name: str = ""
    level: int = logging.INFO
    facts: dict[str, Any] = {}


_encoder = msgspec.json.Encoder(enc_hook=str)
_decoder = msgspec.json.Decoder(Message)


class Channel:
    """One end of the line; reading is for one thread, sending for any."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self._buffer = b""

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self.socket.fileno()

    def send(self, do: str, **fields: Any) -> bool:
        """Send a message; False where the other end is gone or does not read."""
        try:
            self.socket.sendall(_encoder.encode(Message(do, **fields)) + b"\n")
        except (OSError, ValueError):
            return False
        return True

    def read(self) -> list[Message] | None:
        """Return the messages that have come, waiting for the first bytes; None at the end."""
        try:
            data = self.socket.recv(_RECV)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            return None
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > MAX_LINE:
            self._buffer = b""
        found = []
        for line in lines:
            try:
                found.append(_decoder.decode(line))
            except msgspec.DecodeError:
                continue  # a job wrote to a descriptor that is not its own
        return found

    def close(self) -> None:
        """Close this end."""
        self.socket.close()


def channel_pair() -> tuple[Channel, socket.socket]:
    """Return the supervisor's end, and the socket to hand to a child."""
    ours, theirs = socket.socketpair()
    ours.settimeout(5.0)  # a child that is stopped must not stop its supervisor
    return Channel(ours), theirs
