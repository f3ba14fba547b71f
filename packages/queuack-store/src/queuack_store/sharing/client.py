"""A store over the socket of the file's owner: `Store` for processes that must not open the file."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from queuack_store.errors import WaitTimeoutError
from queuack_store.requests import Request
from queuack_store.sharing import peers
from queuack_store.sharing.calls import Call
from queuack_store.sharing.courier import Courier
from queuack_store.sharing.dialing import DIAL_S, Caller
from queuack_store.sharing.forking import let_go_in_child
from queuack_store.sharing.places import Place, refuse_platform


class ClientStore:
    """One session at the owner of a DuckDB file, which is started where there is none.

    Safe to use from many threads. When the owner dies another is started, and what was not answered is
    asked again. In a forked child the handle is a session of its own, with no claims. Callbacks of its
    futures run in a thread that reads replies: they must be quick.

    Args:
        path: the database file.
        name: shown to people beside the session.
        timeout_seconds: how long to try for the first connection.

    Raises:
        OwnerStartError, OwnerTimeoutError, ForeignOwnerError, ProtocolError, FileReplacedError: no owner
        serves this handle. StorageError: the file can't be shared, or the owner could not open it.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, name: str = "", timeout_seconds: float = DIAL_S
    ) -> None:
        refuse_platform()
        self._name = name
        self.session = os.urandom(16)
        self._courier = Courier(Place(path), self._caller())
        self._courier.connect(timeout_seconds)
        let_go_in_child(self)

    @property
    def path(self) -> str:
        """The real path of the database file."""
        return self._courier.place.path

    @property
    def on_cancelled(self) -> Callable[[list[bytes]], None] | None:
        """Called with ids of held jobs that are to be cancelled, as the session's own heartbeats learn it."""
        return self._courier.on_cancelled

    @on_cancelled.setter
    def on_cancelled(self, callback: Callable[[list[bytes]], None] | None) -> None:
        self._courier.on_cancelled = callback

    @property
    def on_lost(self) -> Callable[[list[bytes]], None] | None:
        """Called with ids of held jobs whose claim did not outlive a takeover."""
        return self._courier.on_lost

    @on_lost.setter
    def on_lost(self, callback: Callable[[list[bytes]], None] | None) -> None:
        self._courier.on_lost = callback

    def submit(self, request: Request) -> Call:
        """Send a request and return at once; see `Store.submit`.

        Raises:
            StoreClosedError: the handle was closed. InvalidRequestError: it can't be encoded.
        """
        return self._courier.post(request)

    def call(self, request: Request, timeout: float | None = None) -> Any:
        """Send a request and wait for its reply, at most `timeout` seconds; see `Store.call`.

        Raises:
            WaitTimeoutError: no reply in time. OwnerTimeoutError: nor will there be, the owner is stopped.
            OwnerLostError: no owner could be reached again. Any error that the request's type names.
        """
        call = self._courier.post(request, leads=True)
        try:
            done = self._courier.lead(call, timeout)
        except BaseException:
            call.cancel()
            raise
        if not done and call.cancel():
            raise self._courier.silence() or WaitTimeoutError(
                f"no reply to {type(request).__name__} within {timeout:g} s; it may still happen",
                request=type(request).__name__,
                timeout=timeout,
            )
        return call.result()

    def close(self) -> None:
        """End the session in order; the last one to do so waits until the file is free.

        Raises:
            OwnerTimeoutError: the owner does not answer; this handle is closed all the same.
            FileReplacedError: the file was deleted or replaced meanwhile, and no call has said so yet.
        """
        self._courier.close()

    def forked(self) -> None:
        """Become a session of its own, in a forked child."""
        self.session = os.urandom(16)
        self._courier.forked(self._caller())

    def _caller(self) -> Caller:
        return Caller(peers.this_session(self.session, self._name))


def connect(place: Place, name: str = "") -> ClientStore:
    """Open a session on the file at `place`; see `ClientStore`."""
    return ClientStore(place.path, name=name)
