"""Sub-DAGs: what may stand for one, and the job that gathers its results by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from queuack_store import gathered

SUBDAG = "subdag"
GATHER_TASK = "queuack_dag.subdags:gather"


def gather(jobs: dict[str, str]) -> dict[str, Any]:
    """Return the results of a sub-DAG's terminal nodes (name → job id), as a reference.

    It runs once the sub-DAG has succeeded, in microseconds, and reads nothing: whoever asks for the
    result gets the terminal nodes' own results by name.
    """
    return gathered.mark(jobs)


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
