"""The plain data of which diagrams are drawn: nodes, edges, groups."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from queuack_viz.errors import DiagramError

STATUSES = ("pending", "ready", "running", "done", "failed", "skipped", "cancelled")


@dataclass(frozen=True, slots=True)
class Node:
    """One box of a diagram, as a rule one job.

    * `id`: unique among the nodes and groups of a diagram; never shown where there is a label.
    * `label`: any text; default the id.
    * `status`: one of `pending, ready, running, done, failed, skipped, cancelled` (`queuack_dag.NodeStatus`
      will do), or None for a graph that isn't a run.
    * `duration_seconds`: how long it ran; default `ended_at - started_at` where both are known.
    * `group`: the id of the group that holds it; default none.
    * `map_name`: the name of the map this node is one item of; a map's items may be folded into one box.
    * `external`: True for a node that the graph refers to but doesn't own; drawn with round ends.
    * `ready_at`, `started_at`, `ended_at`: seconds on one clock; only the Gantt needs them.

    Raises:
        DiagramError: the status is unknown, or a time isn't a finite number.
    """

    id: str
    label: str = ""
    status: str | None = None
    duration_seconds: float | None = None
    group: str | None = None
    map_name: str | None = None
    external: bool = False
    ready_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None

    def __post_init__(self) -> None:
        what = f"node {self.id!r}"
        object.__setattr__(self, "status", known_status(what, self.status))
        for name in ("duration_seconds", "ready_at", "started_at", "ended_at"):
            _check_seconds(what, name, getattr(self, name))

    @property
    def seconds(self) -> float | None:
        """How long it ran, in seconds: `duration_seconds`, else what `started_at` and `ended_at` tell."""
        if self.duration_seconds is not None or self.started_at is None or self.ended_at is None:
            return self.duration_seconds
        return max(0.0, self.ended_at - self.started_at)


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow from `source` to `target`, each the id of a node or of a group.

    * `label`: any text, written on the arrow; default none.
    * `dashed`: True draws it dashed, as for a parent of which any one will do.
    """

    source: str
    target: str
    label: str = ""
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A frame around nodes, such as a sub-DAG; `parent` is the id of the group that holds it, if any.

    The label defaults to the id; `status` and `duration_seconds` are those of a node.

    Raises:
        DiagramError: the status is unknown, or the duration isn't a finite number.
    """

    id: str
    label: str = ""
    parent: str | None = None
    status: str | None = None
    duration_seconds: float | None = None

    def __post_init__(self) -> None:
        what = f"group {self.id!r}"
        object.__setattr__(self, "status", known_status(what, self.status))
        _check_seconds(what, "duration_seconds", self.duration_seconds)


@dataclass(frozen=True, slots=True, init=False)
class Diagram:
    """Nodes, the edges between them, the groups around them, and a title.

    Any iterables will do; they are kept as tuples. Cycles, self-loops and repeated edges are allowed.

    Raises:
        DiagramError: two nodes or groups share an id, an edge or a node names one that isn't there, or
            groups hold each other.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    groups: tuple[Group, ...]
    title: str

    def __init__(
        self,
        nodes: Iterable[Node],
        edges: Iterable[Edge] = (),
        groups: Iterable[Group] = (),
        title: str = "",
    ) -> None:
        object.__setattr__(self, "nodes", tuple(nodes))
        object.__setattr__(self, "edges", tuple(edges))
        object.__setattr__(self, "groups", tuple(groups))
        object.__setattr__(self, "title", title)
        _check_ids(self)
        _check_groups({group.id: group.parent for group in self.groups})


def known_status(what: str, status: str | None) -> str | None:
    """The status as a plain string, whatever str enum it came as; refused unless it is one of STATUSES."""
    if status is None:
        return None
    for known in STATUSES:
        if status == known:
            return known
    raise DiagramError(
        what, f"has the unknown status {status!r}", f"use one of {', '.join(STATUSES)}, or None"
    )


def _check_seconds(what: str, name: str, value: float | None) -> None:
    if value is not None and not math.isfinite(value):
        raise DiagramError(what, f"has {name}={value!r}", "give a finite number of seconds, or None")


def _check_ids(diagram: Diagram) -> None:
    groups = {group.id for group in diagram.groups}
    seen: set[str] = set()
    for key in [*(node.id for node in diagram.nodes), *(group.id for group in diagram.groups)]:
        if key in seen:
            raise DiagramError(f"the id {key!r}", "occurs twice", "ids of nodes and groups must differ")
        seen.add(key)
    for node in diagram.nodes:
        if node.group is not None and node.group not in groups:
            raise DiagramError(
                f"node {node.id!r}", f"names the unknown group {node.group!r}", "add the group"
            )
    for edge in diagram.edges:
        for end in (edge.source, edge.target):
            if end not in seen:
                what = f"the edge {edge.source!r} → {edge.target!r}"
                raise DiagramError(what, f"names the unknown id {end!r}", "add that node to the diagram")


def _check_groups(parents: Mapping[str, str | None]) -> None:
    for group, parent in parents.items():
        if parent is not None and parent not in parents:
            raise DiagramError(f"group {group!r}", f"names the unknown parent {parent!r}", "add that group")
    sound: set[str] = set()
    for group in parents:
        path: list[str] = []
        at: str | None = group
        while at is not None and at not in sound:
            if at in path:
                around = " → ".join([*path[path.index(at) :], at])
                raise DiagramError(
                    f"group {at!r}", f"holds itself ({around})", "give one of them another parent"
                )
            path.append(at)
            at = parents[at]
        sound.update(path)
