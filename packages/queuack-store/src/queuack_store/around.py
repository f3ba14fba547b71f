"""A call with something around it: before and after the function, queuack's own code of another package.

The payload is "A", the name of that code, facts for it, and then the payload of the call itself, so that the
job's task is still the user's function. Only tasks that queuack's packages bring along can stand around one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from queuack_store import callables
from queuack_store.errors import PayloadError
from queuack_store.helpers import own_tasks
from queuack_store.jobs import Growth

AROUND = ord("A")


class Around:
    """A function and what is around it, callable like the function; signature and attributes are its own."""

    def __init__(self, outer: Callable[..., Any], facts: bytes, func: Callable[..., Any]) -> None:
        update_wrapper(self, func)
        self._outer = outer
        self._facts = facts
        self._func = func

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._outer(self._facts, self._func, args, kwargs)


class Grown:
    """What a call returns whose job adds to the graph as it ends: its result, and what is added."""

    __slots__ = ("growth", "result")

    def __init__(self, result: Any, growth: Growth) -> None:
        self.result = result
        self.growth = growth


def wrap(payload: bytes, outer: str, facts: bytes) -> bytes:
    """Return the payload of the same call inside the task `outer`: `outer(facts, func, args, kwargs)`."""
    name = outer.encode()
    return b"".join((b"A", bytes((len(name),)), name, len(facts).to_bytes(4, "big"), facts, payload))


def unwrap(payload: bytes) -> tuple[str, bytes, bytes]:
    """Return the name of what is around a call, its facts, and the payload of the call itself.

    Raises:
        PayloadError: the bytes break off.
    """
    start = 2 + payload[1] if len(payload) > 1 else 0
    end = start + 4 + int.from_bytes(payload[start : start + 4], "big")
    if not start or len(payload) <= end:
        raise PayloadError("the payload breaks off")
    return payload[2:start].decode(errors="replace"), payload[start + 4 : end], payload[end:]


def outer_of(name: str, task: str) -> Callable[..., Any]:
    """Return the code that `wrap` named.

    Raises:
        PayloadError: no installed package of queuack brings it.
    """
    if name not in own_tasks():
        raise PayloadError(
            f"{task} was stored to be run inside {name!r}, which no installed package of queuack brings: "
            "install the one that enqueued it (queuack-dag) where jobs run",
            task=task,
        )
    return callables.resolve(name)
