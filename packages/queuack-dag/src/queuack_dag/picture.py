"""What there is to draw of a stored run: its nodes, those of its sub-DAGs, and the edges between them."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING

from queuack_store.ids import to_raw
from queuack_store.requests import Sql

from queuack_dag.drawing import Box, draw

if TYPE_CHECKING:
    from queuack_viz import MermaidColorScheme

    from queuack_dag.run import DAGRun

_EDGES = """
SELECT d.parent_id::VARCHAR, d.child_id::VARCHAR FROM job_dependencies d JOIN jobs j ON j.id = d.child_id
WHERE j.dag_run_id = $run::UUID ORDER BY j.seq, d.position
"""


def draw_run(
    run: DAGRun,
    scheme: MermaidColorScheme | None,
    path: str | os.PathLike[str] | None,
    gantt: bool = False,
) -> str:
    """Return the run as Mermaid text, and write it to `path` where one is given; see `draw`."""
    boxes, edges = picture_of(run)
    return draw(run.name, boxes, edges, scheme, path, gantt)


def picture_of(run: DAGRun) -> tuple[list[Box], list[tuple[str, str]]]:
    """Return the boxes and edges of a run."""
    boxes: list[Box] = []
    edges: list[tuple[str, str]] = []
    stack = [run]
    while stack:
        one = stack.pop()
        children = one.get_subdags()  # without the items of maps: they are drawn as their one node
        stack += children
        behind = {}
        for child in children:
            job = child.get_parent_job()
            if job is not None:
                behind[job.id] = child.dag_run_id
        for node in one.get_jobs():
            inner = behind.get(node["id"])
            boxes.append(
                Box(
                    _key(node["id"]),
                    node["name"],
                    _key(one.dag_run_id),
                    node["status"].value,
                    node["duration_seconds"],
                    None if inner is None else _key(inner),
                    node["dependency_mode"],
                    _seconds(node["started_at"]),
                    _seconds(node["completed_at"]),
                )
            )
        rows = one.queue.store.call(Sql(_EDGES, {"run": one.dag_run_id})).rows
        edges += [(_key(parent), _key(child)) for parent, child in rows]
    return boxes, edges


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _key(text: str) -> str:
    return to_raw(text).hex()
