"""Where requests wait for the next cycle: filled by any thread, emptied by the engine's.

An `Ask` is one request on its way: who asks, what, and the sink its reply goes to.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Protocol

import msgspec

from queuack_store.jobs import SessionInfo

MAX_SLEEP_S = 3_600.0  # a wait past what the platform can express would raise
MAX_CYCLE_ASKS = 2_000  # one cycle takes at most so many: a bound on its record and on the others' wait
MAX_CYCLE_BYTES = 128 << 20  # ... and so many bytes, with at least one ask


class Sink(Protocol):
    """Where replies go. Called by the engine's thread only, in the order of the asks' cycles."""

    def reply(self, ask: Ask, value: Any) -> None:
        """Take the reply (or a QueuackError) of one ask; cheap, never blocks."""
        ...

    def flush(self) -> None:
        """Send what `reply` took; called once per cycle after the last reply."""
        ...


class OpenSession(msgspec.Struct, frozen=True):
    """A handle was opened, or came back after a takeover holding `holds` (job id, claim number).

    Reply: the list of job ids it claimed to hold but has lost.
    """

    info: SessionInfo
    holds: list[tuple[bytes, int]] = []


class CloseSession(msgspec.Struct, frozen=True):
    """A session ended: by `close()` (orderly: nothing was cut off), or its process or socket died."""

    session: bytes
    orderly: bool = False


class Withdraw(msgspec.Struct, frozen=True):
    """Forget a waiting request of this session by its number; no reply."""

    seq: int


class Ask:
    """One request on its way through the engine.

    seq is the sender's number of the request (0: never resent, so no answer is kept); low is the
    lowest number the sender still awaits; size its bytes, roughly.
    """

    __slots__ = ("low", "request", "seq", "session", "sink", "size", "tag")

    def __init__(
        self,
        session: bytes,
        request: Any,
        sink: Sink,
        seq: int = 0,
        low: int = 0,
        tag: Any = None,
        size: int = 0,
    ) -> None:
        self.session = session
        self.request: Any = request
        self.sink = sink
        self.seq = seq
        self.low = low
        self.size = size
        self.tag = tag  # the sink's own: a future, a frame number


class Inbox:
    """A bounded-wait queue of asks with one reader."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._ready = threading.Condition(threading.Lock())
        self._sleeping = False

    def put(self, item: Any) -> None:
        """Add an ask (or an internal event); wakes the engine where it sleeps."""
        self._items.append(item)
        if self._sleeping:
            with self._ready:
                self._ready.notify()

    def drain(self) -> list[Any]:
        """Return all that is left, from any thread; for when the engine reads no more."""
        taken: list[Any] = []
        try:
            while True:
                taken.append(self._items.popleft())
        except IndexError:
            return taken

    def gather(self, timeout: float | None) -> list[Any]:
        """Return all that waits, within a cycle's bounds, sleeping up to `timeout` seconds for the first."""
        items = self._items
        if not items:
            with self._ready:
                self._sleeping = True
                if not items:
                    self._ready.wait(None if timeout is None else min(timeout, MAX_SLEEP_S))
                self._sleeping = False
        taken: list[Any] = []
        size = 0
        while items and len(taken) < MAX_CYCLE_ASKS and size < MAX_CYCLE_BYTES:
            taken.append(items.popleft())
            size += getattr(taken[-1], "size", 0)
        return taken
