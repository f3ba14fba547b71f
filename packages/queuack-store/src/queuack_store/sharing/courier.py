"""Carries requests to the owner and replies back, over a connection that is made anew when it breaks.

Whoever waits for a reply reads the socket: the caller itself where it is the only one, else the
background thread, which is started when it is first needed. `_reading` is held by the one who reads;
`_lock` guards the calls, the holds and the link.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import msgspec

from queuack_store.clock import monotonic
from queuack_store.errors import FileReplacedError, OwnerLostError, QueuackError, StoreClosedError
from queuack_store.requests import Claim, Heartbeat, Request
from queuack_store.sharing import frames
from queuack_store.sharing.calls import Call, Holds, decode_reply, hand_back
from queuack_store.sharing.dialing import DIAL_S, Caller, Dialler, GivenUpError, Line, replaced, silent
from queuack_store.sharing.link import Link
from queuack_store.sharing.places import Place

BEAT_S = 5.0  # how often a session that holds claims shows that it lives, and looks after its calls
SILENT_S = 15.0  # an owner that answers neither a request nor a ping for so long is stopped
CLOSE_S = 60.0  # how long `close` waits for the owner's last words
RECONNECT_S = DIAL_S  # how long a lost connection is tried to be made again
REDIAL_S = 5.0  # between attempts that only keep claims, after one that failed
MAX_LOSSES = 5  # owners in a row that died without one answer: a request of ours may be what kills them
MAX_UNSENT_BYTES = 64 << 20  # above this a caller waits until the owner has read some
MAX_WITHDRAWN = 10_000  # given-up claims that are remembered, to hand back what comes too late


class Courier:
    """The moving part of a `ClientStore`; `forked` makes it as good as new in a child."""

    def __init__(self, place: Place, caller: Caller) -> None:
        self.place = place
        self.caller = caller
        self.on_cancelled: Callable[[list[bytes]], None] | None = None
        self.on_lost: Callable[[list[bytes]], None] | None = None
        self._closed = False  # nothing more is taken
        self._ended = False  # nothing more is read
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._reading = threading.Lock()
        self._reader = 0  # the thread that holds _reading
        self._needed = threading.Event()
        self._given_up = threading.Event()
        self._thread: threading.Thread | None = None
        self._link: Link | None = None
        self._calls: dict[int, Call] = {}  # in ascending order of their numbers
        self._seq = 0
        self._withdrawn: dict[int, None] = {}
        self._holds = Holds()
        self._parting: Call | None = None
        self._losses = 0
        self._told = False  # a caller has heard that the file was replaced
        self._tick_at = self._beat_at = self._redial_at = 0.0

    def forked(self, caller: Caller) -> None:
        """Become a new session in a forked child; only the child's copies of the descriptors are closed."""
        if self._link is not None:
            self._link.close()
        self.caller = caller
        self._reset()

    # -- asking ------------------------------------------------------------------------------------

    def connect(self, timeout_s: float = DIAL_S) -> None:
        """Make the first connection in the caller's thread, so that what is wrong is raised there."""
        self._take(Dialler(self.place, self.caller, self._holds.items, timeout_s=timeout_s).dial())

    def post(self, request: Request, *, leads: bool = False) -> Call:
        """Send a request. With `leads` the caller goes on to `lead`; else the thread reads the reply.

        Raises:
            StoreClosedError: the handle was closed. InvalidRequestError: it can't be encoded.
        """
        call = Call(self, request)
        with self._lock:
            self._wait_for_room()
            if self._closed:
                raise StoreClosedError(f"the handle on {self.place.path} is closed: open a new one")
            self._seq += 1
            call.seq = self._seq
            self._calls[call.seq] = call
            self._send(call)
            if not leads:
                self._need_thread()
        return call

    def lead(self, call: Call, timeout: float | None) -> bool:
        """Wait for a call, reading the socket where nobody else does; False where the time is over first."""
        deadline = None if timeout is None else monotonic() + timeout
        while not call.done():
            left = None if deadline is None else deadline - monotonic()
            if left is not None and left <= 0:
                return False
            if self._is_reader():  # a callback asks: the thread that would read is this one
                self._turn(left)
            elif self._reading.acquire(blocking=False):
                self._read_until(call, deadline)
            else:
                try:
                    call.exception(left)
                except TimeoutError:
                    return call.done()
        return True

    def withdraw(self, call: Call) -> None:
        """Tell the owner that nobody awaits this call any more."""
        with self._lock:
            if self._calls.pop(call.seq, None) is None or self._closed:
                return
            if call.kind is Claim:
                self._withdrawn[call.seq] = None
                while len(self._withdrawn) > MAX_WITHDRAWN:
                    del self._withdrawn[next(iter(self._withdrawn))]
            self._push(frames.encode(frames.WithdrawMessage(call.seq)))

    def silence(self) -> QueuackError | None:
        """Return the error to raise where the owner is stopped, else None."""
        link = self._link
        if link is None:
            return None
        error = silent(self.place, link.pid, monotonic() - link.heard_at)
        return error if error.facts["stopped"] else None

    def close(self) -> None:
        """End the session in order, and wait until the file is free where this was the last.

        Raises:
            OwnerTimeoutError: the owner does not answer; this end is closed all the same.
            FileReplacedError: what was stored is not in the file at the path, and no call has said so.
        """
        gone = None if self._told or self._closed else replaced(self.place, self.caller)
        if self._link is None:
            for call in [call for call in list(self._calls.values()) if not call.waits]:
                self.lead(call, BEAT_S)  # what was submitted during a takeover still counts
        parting = Call(self, Heartbeat())
        with self._lock:
            if self._closed:
                return
            self._closed, self._parting, link = True, parting, self._link
            self._push(frames.encode(frames.Bye()))
        self._given_up.set()
        done = link is None or self.lead(parting, CLOSE_S)
        self._end()
        if link is not None and not done:
            raise silent(self.place, link.pid, CLOSE_S)
        if gone is not None:
            raise gone

    def _end(self) -> None:
        self._ended = True
        self._fail(
            list(self._calls.values()), StoreClosedError(f"the handle on {self.place.path} was closed")
        )
        self._needed.set()
        if self._link is not None:
            self._link.wake()
        if self._thread is not None and not self._is_reader():
            self._thread.join()
        self._lose()

    # -- sending, under _lock ----------------------------------------------------------------------

    def _wait_for_room(self) -> None:
        while not self._closed and not self._is_reader():
            if self._link is None or self._link.unsent_bytes <= MAX_UNSENT_BYTES:
                return
            self._room.wait()

    def _send(self, call: Call) -> None:
        if self._link is not None:
            self._push(frames.ask(call.seq, next(iter(self._calls)), call.body))

    def _push(self, data: bytes) -> None:
        if self._link is not None and not self._link.push(data):
            self._need_thread()
            self._link.wake()

    def _need_thread(self) -> None:
        self._needed.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="queuack-client", daemon=True)
            self._thread.start()

    # -- reading, by who holds _reading ------------------------------------------------------------

    def _is_reader(self) -> bool:
        return self._reader == threading.get_ident()

    def _read_until(self, call: Call, deadline: float | None) -> None:
        """Read in the caller's thread until its call is done; others' replies are delivered on the way."""
        self._reader = threading.get_ident()
        try:
            while not call.done():
                left = None if deadline is None else deadline - monotonic()
                if left is not None and left <= 0:
                    return
                self._turn(left)
        finally:
            self._reader = 0
            self._reading.release()
            with self._lock:
                if self._has_work():
                    self._need_thread()

    def _run(self) -> None:
        while not self._ended:
            self._needed.clear()
            # Asked again after `_reading` was let go: a caller that could not take it relies on this thread.
            if not self._has_work():
                self._needed.wait()
            with self._reading:
                self._reader = threading.get_ident()
                try:
                    while self._has_work():
                        self._turn(None)
                except Exception as error:  # a fault here must not leave callers waiting for ever
                    self._lose()
                    fault = QueuackError(f"the client failed: {type(error).__name__}: {error}")
                    self._fail(list(self._calls.values()), fault)
                finally:
                    self._reader = 0

    def _has_work(self) -> bool:
        if self._ended:
            return False
        if self._closed:
            return self._parting is not None and not self._parting.done()
        link = self._link
        return bool(self._calls or self._holds or (link is not None and link.unsent_bytes))

    def _turn(self, timeout: float | None) -> None:
        """Deliver what has arrived, or wait for something to arrive, at most until the next tick."""
        link = self._link
        if link is None:
            self._redial(timeout)
            return
        try:
            if not link.arrived:
                self._wait(link, timeout)
            while link.arrived:
                self._deliver(link.arrived[0])
                if link.arrived:  # a callback may have delivered the rest
                    link.arrived.popleft()
        except QueuackError as error:  # nonsense, or the owner refuses the connection as a whole
            self._lose()
            self._fail(list(self._calls.values()), error)
        if link.broken:
            self._lose()

    def _wait(self, link: Link, timeout: float | None) -> None:
        now = monotonic()
        self._tick_at = min(self._tick_at, now + BEAT_S)
        patience = max(0.0, self._tick_at - now)
        stands, writable = link.wait(patience if timeout is None else min(patience, max(0.0, timeout)))
        if writable:
            with self._lock:
                link.send_rest()
                self._room.notify_all()
        if not stands:
            self._losses += 1
            self._lose()
        elif monotonic() >= self._tick_at:
            self._tick(link)

    def _deliver(self, body: bytes) -> None:
        message = frames.read_owner(body)
        if type(message) is frames.ReplyMessage:
            self._answer(message.seq, message.value)
        elif type(message) is frames.Failure:
            if message.seq == 0:
                raise message.error()
            self._answer(message.seq, message.error())
        elif type(message) is frames.Gone and not message.leaving and self._parting is not None:
            self._parting.settle(None)

    def _answer(self, seq: int, value: Any) -> None:
        self._losses = 0
        self._told = self._told or isinstance(value, FileReplacedError)
        call = self._calls.get(seq)
        if call is None:
            if seq in self._withdrawn:
                del self._withdrawn[seq]
                self._return_claims(value if isinstance(value, QueuackError) else decode_reply(Claim, value))
            return
        if isinstance(value, msgspec.Raw):
            try:
                value = decode_reply(call.kind, value)
            except QueuackError as error:
                value = error
        with self._lock:
            self._holds.note_reply(call, value)
            self._calls.pop(seq, None)
        if not call.settle(value) and call.kind is Claim:
            self._return_claims(value)

    def _return_claims(self, jobs: Any) -> None:
        if jobs and not isinstance(jobs, QueuackError) and not self._closed:
            self.post(hand_back(jobs))

    # -- the connection's ups and downs, by who holds _reading -------------------------------------

    def _take(self, line: Line) -> None:
        """Use a new line: what is unanswered is sent again, claims as fresh ones."""
        with self._lock:
            self._link = Link(line)
            self._holds.drop_lost(line.lost)
            calls = list(self._calls.values())
            self._calls = {call.seq: call for call in calls if call.kind is not Claim}
            for call in calls:
                if call.kind is Claim:
                    self._seq += 1
                    call.seq = self._seq
                    self._calls[call.seq] = call
            finishing = {outcome.id for call in calls for outcome in call.outcomes}
            for call in self._calls.values():
                self._send(call)
        lost = [job_id for job_id in line.lost if job_id not in finishing]
        if lost and self.on_lost is not None:
            self.on_lost(lost)

    def _lose(self) -> None:
        with self._lock:
            link, self._link = self._link, None
            if link is not None:
                link.close()
            self._room.notify_all()
        if self._parting is not None:
            self._parting.settle(None)

    def _redial(self, timeout: float | None) -> None:
        if not self._calls:
            pause = self._redial_at - monotonic()
            if pause > 0:
                self._given_up.wait(pause if timeout is None else min(pause, timeout))
                return
        error: QueuackError | None = None
        if self._losses > MAX_LOSSES:
            error = OwnerLostError(
                f"{self._losses} owners of {self.place.path} died in a row without an answer; see "
                f"{self.place.log}. Is one of these requests what kills them?",
                path=self.place.path,
            )
            self._losses = 0
        else:
            dialler = Dialler(
                self.place, self.caller, self._holds.items, timeout_s=RECONNECT_S, given_up=self._given_up
            )
            try:
                self._take(dialler.dial())
            except GivenUpError:
                return
            except QueuackError as failed:
                error = failed
        if error is not None:
            self._redial_at = monotonic() + REDIAL_S
            self._fail(list(self._calls.values()), error)

    def _fail(self, calls: list[Call], error: QueuackError) -> None:
        self._told = self._told or (bool(calls) and isinstance(error, FileReplacedError))
        with self._lock:
            for call in calls:
                self._calls.pop(call.seq, None)
        for call in calls:
            call.settle(error)

    def _tick(self, link: Link) -> None:
        """Show that the session lives while it holds claims; look for calls that wait for too long."""
        now = monotonic()
        self._tick_at = now + BEAT_S
        calls = list(self._calls.values())
        beats = any(call.kind is Heartbeat for call in calls)
        if self._holds and not beats and not self._closed:
            self.post(Heartbeat()).add_done_callback(self._beaten)
        late = [call for call in calls if not call.waits and now - call.asked_at >= BEAT_S]
        if not late:
            return
        if now - max(link.heard_at, late[0].asked_at) >= SILENT_S:
            self._fail(late, silent(self.place, link.pid, now - link.heard_at))
            return
        with self._lock:
            self._push(frames.encode(frames.Ping()))

    def _beaten(self, call: Any) -> None:
        if not call.cancelled() and call.exception() is None and self.on_cancelled is not None:
            doomed = call.result()
            if doomed:
                self.on_cancelled(doomed)
