"""What is about to be drawn: boxes that stand for one node or for many, and how boxes become one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from queuack_viz.graph import Diagram, Edge, Group, Node

# Of a box that stands for many, the colour is that of the first status here that any of them has.
_LOUDEST = ("failed", "cancelled", "running", "ready", "pending", "skipped", "done")


@dataclass(frozen=True, slots=True)
class Box:
    """One box; `members` are the nodes it stands for, `times` how many boxes were folded into it.

    `label` is that of the node, of the map, or of the closed group; empty for nodes of differing names.
    """

    id: str
    label: str
    group: str | None
    members: tuple[Node, ...]
    times: int = 1
    closed: Group | None = None
    external: bool = False

    @property
    def status(self) -> str | None:
        if self.closed is not None and self.closed.status is not None:
            return self.closed.status
        present = {node.status for node in self.members}
        return next((status for status in _LOUDEST if status in present), None)

    @property
    def statuses(self) -> Counter[str]:
        return Counter(node.status for node in self.members if node.status is not None)

    @property
    def is_one(self) -> bool:
        """True if the box is a node as it came."""
        return self.times == 1 and self.closed is None


@dataclass(frozen=True, slots=True)
class Sheet:
    """Boxes, edges and groups by id, and what has been left out on the way; never changed in place."""

    boxes: Mapping[str, Box]
    edges: Mapping[tuple[str, str], Edge]
    groups: Mapping[str, Group]
    implied_edges: int = 0
    closed_groups: int = 0
    label_columns: int = 200

    def ancestors(self, thing: str) -> list[str]:
        """The groups around a box or a group, the nearest first."""
        around = []
        at = self.boxes[thing].group if thing in self.boxes else self.groups[thing].parent
        while at is not None:
            around.append(at)
            at = self.groups[at].parent
        return around


def shown_name(label: str, identity: str) -> str:
    """The label, else the id, else a word that says there is no name."""
    return next((text for text in (label, identity) if text.strip()), "(no name)")


def sheet_of(diagram: Diagram) -> Sheet:
    """The diagram, one box a node; an edge between a group and what it holds is implied by the frame."""
    boxes = {
        node.id: Box(node.id, shown_name(node.label, node.id), node.group, (node,), external=node.external)
        for node in diagram.nodes
    }
    groups = {group.id: group for group in diagram.groups}
    used = {node.group for node in diagram.nodes} | {group.parent for group in diagram.groups}
    for hollow in [key for key in groups if key not in used]:  # Mermaid draws no frame around nothing
        group = groups.pop(hollow)
        boxes[hollow] = Box(hollow, shown_name(group.label, hollow), group.parent, (), closed=group)
    empty = Sheet(boxes, {}, groups)
    edges: dict[tuple[str, str], Edge] = {}
    implied = set()
    for edge in diagram.edges:
        ends = (edge.source, edge.target)
        inside = edge.source in empty.ancestors(edge.target) or edge.target in empty.ancestors(edge.source)
        if inside or (edge.source == edge.target and edge.source in groups):
            implied.add(ends)
        else:
            edges[ends] = _joined(edges.get(ends), edge)
    return replace(empty, edges=edges, implied_edges=len(implied))


def merge(sheet: Sheet, merged: Iterable[tuple[Box, Iterable[str]]], closed: Iterable[str] = ()) -> Sheet:
    """Each new box in place of the old boxes (by id) and, where a group closes, of the group of that id.

    Edges move along; those that would lead from a new box to itself go. `closed` groups are gone after it.
    """
    gone = set(closed)
    new = {old: box for box, olds in merged for old in olds}
    home = {old: box.id for old, box in new.items()}
    placed: dict[str, Box] = {}
    for old, box in (*sheet.boxes.items(), *new.items()):
        now = new.get(old, box)
        placed.setdefault(now.id, now)
    edges: dict[tuple[str, str], Edge] = {}
    for (source, target), edge in sheet.edges.items():
        ends = (home.get(source, source), home.get(target, target))
        if ends[0] != ends[1] or (source == target and source not in home):
            edges[ends] = _joined(edges.get(ends), replace(edge, source=ends[0], target=ends[1]))
    groups = {key: group for key, group in sheet.groups.items() if key not in gone}
    return replace(
        sheet, boxes=placed, edges=edges, groups=groups, closed_groups=sheet.closed_groups + len(gone)
    )


def _joined(one: Edge | None, other: Edge) -> Edge:
    """One arrow for two: dashed only if both are, labelled only if both say the same."""
    if one is None:
        return other
    label = other.label if one.label == other.label else ""
    return replace(other, label=label, dashed=one.dashed and other.dashed)
