"""How a method of the queue becomes a request and its reply a value, waited for or awaited.

A method prepares a `Pending`: the request and what to make of its reply. `answered` turns it into a call
that waits, `awaited` into its async twin on the very same future, so that nothing is written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from queuack_store import names
from queuack_store.errors import WaitTimeoutError
from queuack_store.ids import to_raw
from queuack_store.payload import PICKLE
from queuack_store.requests import Request
from queuack_store.store import Store
from queuack_store.views import Job

T = TypeVar("T")
P = ParamSpec("P")
H = TypeVar("H", bound="Handle")


class Handle:
    """What every part of a queue works with: the open store and this handle's own settings.

    Attributes:
        store: the open store, for those who speak its requests (workers, DAGs).
        db_path: the absolute path, or ":memory:".
        default_queue: where jobs go and come from when no queue is named.
        serialization: "pickle" or "json_ref"; allowed_modules: what json_ref may run, None for all.
    """

    store: Store
    db_path: str
    default_queue: str
    serialization: str = PICKLE
    allowed_modules: tuple[str, ...] | None = None

    def _queue(self, queue: str | None) -> str:
        return self.default_queue if queue is None else names.queue_name(queue)


class Pending(Generic[T]):
    """A request, and the function that turns its reply into the caller's value.

    `timeout` is in seconds, None for no limit; `late` is what to say when there is no reply by then.
    """

    __slots__ = ("finish", "late", "request", "timeout")

    def __init__(
        self,
        request: Request,
        finish: Callable[[Any], T],
        timeout: float | None = None,
        late: str = "no reply",
    ) -> None:
        self.request = request
        self.finish = finish
        self.timeout = timeout
        self.late = late

    def too_late(self) -> WaitTimeoutError:
        """Return the error of a reply that did not come in time."""
        return WaitTimeoutError(f"{self.late} within {self.timeout:g} s", timeout=self.timeout)


def answered(
    returns: str,
) -> Callable[[Callable[Concatenate[H, P], Pending[T]]], Callable[Concatenate[H, P], T]]:
    """Make a method that sends what it prepared and waits for the reply.

    `returns` is what `help()` shows as its return type, in place of `Pending`.
    """

    def decorate(prepare: Callable[Concatenate[H, P], Pending[T]]) -> Callable[Concatenate[H, P], T]:
        prepare.__annotations__["return"] = returns

        @wraps(prepare)
        def call(self: H, /, *args: P.args, **kwargs: P.kwargs) -> T:
            pending = prepare(self, *args, **kwargs)
            try:
                reply = self.store.call(pending.request, pending.timeout)
            except WaitTimeoutError as error:
                raise pending.too_late() from error
            return pending.finish(reply)

        return call

    return decorate


def awaited(
    method: Callable[Concatenate[H, P], T], name: str
) -> Callable[Concatenate[H, P], Coroutine[Any, Any, T]]:
    """Make the async twin of an `answered` method; cancelling it withdraws a waiting request."""
    prepare: Callable[Concatenate[H, P], Pending[T]] = method.__wrapped__  # type: ignore[attr-defined]

    @wraps(prepare)
    async def call(self: H, /, *args: P.args, **kwargs: P.kwargs) -> T:
        import asyncio  # whoever awaits has loaded it; nobody else should pay for it

        pending = prepare(self, *args, **kwargs)
        future = asyncio.wrap_future(self.store.submit(pending.request))
        try:
            reply = await asyncio.wait_for(future, pending.timeout)
        except TimeoutError as error:
            if not future.cancelled():
                raise  # the reply itself
            raise pending.too_late() from error
        return pending.finish(reply)

    call.__name__ = name
    return call


def raw_id(job: str | Job) -> bytes:
    """Return a job's id as the store knows it, from its text or from the job itself."""
    return to_raw(job.id if isinstance(job, Job) else job)
