"""Workflows on top of the queuack job queue: dependencies, sub-DAGs, context, progress.

Importing this loads nothing: each name brings its module on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from queuack_store.exports import exports

if TYPE_CHECKING:
    from queuack_store.states import DependencyMode

    from queuack_dag.branching import Branch
    from queuack_dag.dag import DAG
    from queuack_dag.diffing import NodeDiff, RunDiff
    from queuack_dag.errors import (
        BranchError,
        DAGError,
        DAGStateError,
        DAGValidationError,
        MapError,
        UnknownNodeError,
        UnknownRunError,
    )
    from queuack_dag.forecast import Eta
    from queuack_dag.planning import Planned
    from queuack_dag.run import DAGRun
    from queuack_dag.status import DAGRunStatus, NodeStatus
    from queuack_dag.tasks import Task
    from queuack_dag.timing import NodeTiming

__all__ = [  # noqa: RUF022
    "Branch",
    "BranchError",
    "DAG",
    "DAGError",
    "DAGRun",
    "DAGRunStatus",
    "DAGStateError",
    "DAGValidationError",
    "DependencyMode",
    "Eta",
    "MapError",
    "NodeDiff",
    "NodeStatus",
    "NodeTiming",
    "Planned",
    "RunDiff",
    "Task",
    "UnknownNodeError",
    "UnknownRunError",
]

_HOMES = {
    "Eta": "queuack_dag.forecast",
    "NodeDiff": "queuack_dag.diffing",
    "NodeTiming": "queuack_dag.timing",
    "Planned": "queuack_dag.planning",
    "RunDiff": "queuack_dag.diffing",
    "Task": "queuack_dag.tasks",
    "Branch": "queuack_dag.branching",
    "DAG": "queuack_dag.dag",
    "DAGRun": "queuack_dag.run",
    "DAGRunStatus": "queuack_dag.status",
    "DependencyMode": "queuack_store.states",
    "NodeStatus": "queuack_dag.status",
}  # every other name lives in errors

__getattr__, __dir__ = exports(globals(), _HOMES, "queuack_dag.errors")
