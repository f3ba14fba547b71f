"""A DAG as Mermaid, a flowchart or a run's Gantt: sub-DAGs are frames around their nodes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from queuack_viz import Diagram, Edge, Group, MermaidColorScheme, Node, draw_flowchart, draw_gantt
from queuack_worker.facts import facts_of

from queuack_dag.plan import Layout


@dataclass(frozen=True, slots=True)
class Box:
    """One job to draw. run: the run it belongs to; stands_for: the sub-run whose results it gathers.

    started_at, ended_at: seconds since the epoch.
    """

    id: str
    name: str
    run: str
    status: str | None = None
    seconds: float | None = None
    stands_for: str | None = None
    mode: str = "all"
    started_at: float | None = None
    ended_at: float | None = None


def draw(
    title: str,
    boxes: Iterable[Box],
    edges: Iterable[tuple[str, str]],
    scheme: MermaidColorScheme | None,
    path: str | os.PathLike[str] | None,
    gantt: bool = False,
) -> str:
    """Return the Mermaid text, and write it to `path` (.mmd, .md or .html) where one is given.

    edges: (parent id, child id). gantt: when each ran, instead of what waits for what.
    """
    diagram = _diagram(title, boxes, edges)
    drawing = draw_gantt(diagram, scheme) if gantt else draw_flowchart(diagram, scheme)
    if path is not None:
        drawing.write(path)
    return drawing.text


def _diagram(title: str, boxes: Iterable[Box], edges: Iterable[tuple[str, str]]) -> Diagram:
    # Parents that are no box are drawn as jobs outside.
    boxes = list(boxes)
    frames = {box.stands_for: box for box in boxes if box.stands_for is not None}
    own = {box.id: box for box in boxes}
    nodes = [
        Node(
            box.id,
            box.name,
            box.status,
            box.seconds,
            frames[box.run].id if box.run in frames else None,
            started_at=box.started_at,
            ended_at=box.ended_at,
        )
        for box in boxes
        if box.stands_for is None
    ]
    groups = [
        Group(box.id, box.name, frames[box.run].id if box.run in frames else None, box.status, box.seconds)
        for box in frames.values()
    ]
    arrows, outside = [], {}
    for parent, child in edges:
        inside = own.get(parent)
        if inside is not None and own[child].stands_for == inside.run:
            continue  # from a sub-DAG's last node to the frame around it
        if inside is None and parent not in outside:
            outside[parent] = Node(parent, parent[:8], external=True)
        arrows.append(Edge(parent, child, dashed=own[child].mode == "any"))
    return Diagram([*nodes, *outside.values()], arrows, groups, title)


def boxes_of(layout: Layout) -> tuple[list[Box], list[tuple[str, str]]]:
    """Return the boxes and edges of a DAG that has not been submitted."""
    behind = {facts_of(run.facts).job: run.id for run in layout.runs if run.facts}
    boxes = []
    for step in layout.steps:
        inner = behind.get(step.id)
        boxes.append(
            Box(
                step.id.hex(),
                step.node.name,
                step.run_id.hex(),
                stands_for=None if inner is None else inner.hex(),
                mode=step.mode,
            )
        )
    return boxes, [(parent.hex(), step.id.hex()) for step in layout.steps for parent in step.parents]
