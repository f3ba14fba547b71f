"""A store in this process: requests go straight into the engine's inbox, replies come as futures."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from queuack_store.engine.inbox import Ask, CloseSession, OpenSession, Withdraw
from queuack_store.engine.loop import Engine
from queuack_store.errors import QueuackError, StoreClosedError, WaitTimeoutError
from queuack_store.jobs import Outcome, SessionInfo
from queuack_store.requests import Claim, Enqueue, Finish, Request
from queuack_store.store import Store


class FutureSink:
    """Gives each reply to the future that travels with its ask."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def reply(self, ask: Ask, value: Any) -> None:
        """Resolve the ask's future; jobs claimed for a caller that gave up go back."""
        future: Future[Any] | None = ask.tag
        if future is None:
            return
        if not future.set_running_or_notify_cancel():
            if isinstance(ask.request, Claim) and isinstance(value, list) and value:
                returned = [Outcome(job.id, job.claim, "returned") for job in value]
                self._engine.submit(Ask(ask.session, Finish(returned), self))
            return
        if isinstance(value, QueuackError):
            future.set_exception(value)
        else:
            future.set_result(value)

    def flush(self) -> None:
        """Nothing is held back."""


class LocalStore:
    """One session on an engine of this process."""

    def __init__(
        self,
        engine: Engine,
        info: SessionInfo,
        on_close: Callable[[], None],
        elsewhere: Callable[[], Store],
    ) -> None:
        self.session = info.id  # in a forked child another one, from its first use on
        self._elsewhere = elsewhere  # how a forked child reaches the engine, which stays with its parent
        self._forked = False
        self._child: Store | None = None
        self._engine = engine
        self._sink = FutureSink(engine)
        self._on_close = on_close
        self._lock = threading.Lock()
        self._closed = False
        self._numbers = 0
        self._send(OpenSession(info)).result()

    def submit(self, request: Request) -> Future[Any]:
        """Send a request; see `Store.submit`."""
        if self._forked:
            return self._in_child().submit(request)
        if self._closed:
            future: Future[Any] = Future()
            future.set_exception(StoreClosedError("this handle was closed: open a new one"))
            return future
        return self._send(request)

    def call(self, request: Request, timeout: float | None = None) -> Any:
        """Send a request and wait; see `Store.call`."""
        future = self.submit(request)
        try:
            return future.result(timeout)
        except FutureTimeoutError:
            if future.done():
                raise
            future.cancel()
            raise WaitTimeoutError(f"no reply within {timeout:g} s", timeout=timeout) from None
        except CancelledError:
            raise StoreClosedError("this handle was closed while the request was under way") from None

    def close(self) -> None:
        """End the session; the engine goes with its last one."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self._forked:
            if self._child is not None:
                self._child.close()
            return
        try:
            self._send(CloseSession(self.session, orderly=True)).result()
        except QueuackError:
            pass  # the engine has ended already, and the session with it
        self._on_close()

    def forked(self) -> None:
        """Become a client of the parent's engine, in a forked child, from the first use on."""
        self._lock = threading.Lock()
        self._forked, self._child = True, None

    def _in_child(self) -> Store:
        with self._lock:
            if self._closed:
                raise StoreClosedError("this handle was closed: open a new one")
            if self._child is None:
                self._child = self._elsewhere()
                self.session = self._child.session
            return self._child

    def _send(self, request: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._numbers += 1
        number = self._numbers
        ask = Ask(self.session, request, self._sink, tag=future, size=_size(request))
        ask.low = number  # only names the request, so that it can be withdrawn; nothing is resent here
        future.add_done_callback(lambda f: self._withdraw(number) if f.cancelled() else None)
        self._engine.submit(ask)
        return future

    def _withdraw(self, number: int) -> None:
        if not self._closed:
            self._engine.submit(Ask(self.session, Withdraw(number), self._sink))


def _size(request: Any) -> int:
    if isinstance(request, Enqueue):
        return sum(len(job.payload) for job in request.jobs)
    if isinstance(request, Finish):
        return sum(len(outcome.result or b"") for outcome in request.outcomes)
    return 0
