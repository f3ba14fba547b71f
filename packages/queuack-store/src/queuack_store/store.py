"""The contract of a store, whichever way one has it: in memory, an inline file, or over a socket.

A store is asked with the frozen types of requests.py; each says its reply and its errors. Everything
above (DuckQueue, workers, DAGs) speaks to this and to nothing below it.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, Protocol

from queuack_store.requests import Request


class Store(Protocol):
    """An open handle on a queue: one session, safe to use from many threads."""

    session: bytes
    """The session's id, 16 bytes; claims belong to it."""

    def submit(self, request: Request) -> Future[Any]:
        """Send a request and return at once; the future gives its reply or raises its error.

        Requests of one handle are taken in the order they were submitted. A future that is cancelled
        withdraws a waiting claim where it has not been answered.
        """
        ...

    def call(self, request: Request, timeout: float | None = None) -> Any:
        """Send a request and wait for its reply, at most `timeout` seconds (None: as long as it takes).

        Raises:
            WaitTimeoutError: no reply in time. StoreClosedError: the handle was closed.
            Any error that the request's own type names.
        """
        ...

    def close(self) -> None:
        """End the session. Its claims go back unspent; a second call does nothing."""
        ...
