"""Sub-DAGs: what may stand for one, and the job that gathers its results by name."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any

from queuack_store import gathered
from queuack_store.errors import InvalidRequestError

from queuack_dag.errors import DAGValidationError

SUBDAG = "subdag"
JOB = "job"
GATHER_TASK = "queuack_dag.subdags:gather"


def gather(jobs: dict[str, str]) -> dict[str, Any]:
    """Return the results of a sub-DAG's terminal nodes (name → job id), as a reference.

    It runs once the sub-DAG has succeeded, in microseconds, and reads nothing: whoever asks for the
    result gets the terminal nodes' own results by name.
    """
    return gathered.mark(jobs)


def checked_kind(kind: object) -> str | None:
    """Return what a node was said to be, None where nothing was said.

    Raises:
        InvalidRequestError: it is no kind of node.
    """
    if kind is None:
        return None
    said = kind.lower() if isinstance(kind, str) else ""
    if said in (SUBDAG, JOB):
        return said
    raise InvalidRequestError(
        f"kind is {kind!r:.200}: give {SUBDAG!r} for a function that makes a sub-DAG, {JOB!r} for one that "
        "is run, or leave it out"
    )


def is_factory(func: Callable[..., Any], kind: str | None) -> bool:
    """Return whether a node's function makes a sub-DAG: it was said so, or its annotation says so."""
    if kind is not None:
        return kind == SUBDAG
    returns = getattr(func, "__annotations__", {}).get("return")
    if isinstance(returns, str):
        return returns.strip("\"'").rsplit(".", 1)[-1] == "DAG"
    return inspect.isclass(returns) and any(
        base.__module__ == "queuack_dag.dag" and base.__name__ == "DAG" for base in returns.__mro__
    )


class _Making(threading.local):
    """The factories that are being called in this thread, each by the one before it."""

    def __init__(self) -> None:
        self.names: list[str] = []


_making = _Making()


def made_by(factory: Callable[..., Any], queue: Any) -> Any:
    """Return what a factory makes.

    Raises:
        DAGValidationError: it adds itself again and again, perhaps through others; the message shows how.
    """
    name = getattr(getattr(factory, "func", factory), "__name__", None) or type(factory).__name__
    chain = _making.names
    chain.append(name)
    try:
        return factory(queue)
    except RecursionError:
        if name not in chain[:-1]:
            raise
        before = len(chain) - 2 - chain[-2::-1].index(name)
        circle = chain[before:]
        raise DAGValidationError(
            f"the factory {name!r} adds itself again and again, {len(chain)} deep: {' → '.join(circle)}; it "
            "has to stop somewhere",
            nodes=circle,
        ) from None
    finally:
        chain.pop()
