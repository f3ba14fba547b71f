"""The `job` decorator: a function that can also be sent to a queue."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from queuack_store import callables
from queuack_store.jobs import DEFAULT_MAX_ATTEMPTS, DEFAULT_PRIORITY, DEFAULT_TIMEOUT_S

if TYPE_CHECKING:
    from queuack_store.queue import DuckQueue

P = ParamSpec("P")
R = TypeVar("R")


class JobFunction(Generic[P, R]):
    """A function with a `delay`: calling it runs it here, `delay` enqueues it.

    Its arguments are checked by type checkers either way.
    """

    __wrapped__: Callable[P, R]
    __qualname__: str

    def __init__(self, func: Callable[P, R], queue: DuckQueue, options: dict[str, Any]) -> None:
        update_wrapper(self, func)
        self._queue = queue
        self._options = options

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.__wrapped__(*args, **kwargs)

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Enqueue a call with these arguments; return the job's id. Raises as `DuckQueue.enqueue` does."""
        return self._queue.enqueue(self, args, kwargs, **self._options)

    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Enqueue a call with these arguments without blocking the event loop."""
        return await self._queue.aenqueue(self, args, kwargs, **self._options)

    def __repr__(self) -> str:
        return f"<job {callables.label(self)}>"

    def __reduce__(self) -> Any:
        # By its name where it has one; else the plain function: the open queue stays here.
        if callables.reference(self) == (callables.label(self), 0):
            return self.__qualname__
        return (_plain, (self.__wrapped__,))


def _plain(func: Callable[P, R]) -> Callable[P, R]:
    return func


def job(
    queue_instance: DuckQueue,
    queue: str = "default",
    priority: int = DEFAULT_PRIORITY,
    delay_seconds: float | timedelta = 0,
    max_attempts: int = DEFAULT_MAX_ATTEMPTS,
    *,
    timeout_seconds: float | None = DEFAULT_TIMEOUT_S,
) -> Callable[[Callable[P, R]], JobFunction[P, R]]:
    """Make a function that can be sent to `queue_instance`: `send.delay("x")` enqueues `send("x")`.

    The function stays callable. The options are those of `DuckQueue.enqueue` and hold for every call.
    """
    options = {
        "queue": queue,
        "priority": priority,
        "delay_seconds": delay_seconds,
        "max_attempts": max_attempts,
        "timeout_seconds": timeout_seconds,
    }

    def decorate(func: Callable[P, R]) -> JobFunction[P, R]:
        return JobFunction(func, queue_instance, options)

    return decorate
