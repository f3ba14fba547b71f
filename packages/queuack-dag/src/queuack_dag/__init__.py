"""Workflows on top of the queuack job queue: dependencies, sub-DAGs, context, progress.

Importing this loads nothing: each name brings its module on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from queuack_store.states import DependencyMode

    from queuack_dag.dag import DAG
    from queuack_dag.errors import (
        DAGError,
        DAGStateError,
        DAGValidationError,
        UnknownNodeError,
        UnknownRunError,
    )
    from queuack_dag.run import DAGRun
    from queuack_dag.status import DAGRunStatus, NodeStatus

__all__ = [
    "DAG",
    "DAGError",
    "DAGRun",
    "DAGRunStatus",
    "DAGStateError",
    "DAGValidationError",
    "DependencyMode",
    "NodeStatus",
    "UnknownNodeError",
    "UnknownRunError",
]

_HOMES = {
    "DAG": "queuack_dag.dag",
    "DAGRun": "queuack_dag.run",
    "DAGRunStatus": "queuack_dag.status",
    "DependencyMode": "queuack_store.states",
    "NodeStatus": "queuack_dag.status",
}  # every other name lives in errors


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "queuack_dag.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
