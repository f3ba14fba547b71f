"""What comes before what: levels, and the edges that others imply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from queuack_viz.sheet import Sheet

# Reachability takes one bit a pair: 5,000 boxes take 3 MB. More than that is folded first.
MAX_REDUCED = 5_000

# A box, or the way into or out of a group: an edge to a group is an edge to all that it holds.
Point = tuple[str, str]


def successors(sheet: Sheet, *, solid_only: bool = False) -> dict[Point, set[Point]]:
    """The sheet as a graph of points, in which groups are spelled out as an entry and an exit."""
    after: dict[Point, set[Point]] = {("box", key): set() for key in sheet.boxes}
    for key in sheet.groups:
        after["in", key], after["out", key] = set(), set()
    for key, box in sheet.boxes.items():
        if box.group is not None:
            after["in", box.group].add(("box", key))
            after["box", key].add(("out", box.group))
    for key, group in sheet.groups.items():
        if group.parent is not None:
            after["in", group.parent].add(("in", key))
            after["out", key].add(("out", group.parent))
    for (source, target), edge in sheet.edges.items():
        if source != target and not (solid_only and edge.dashed):
            after[_start(sheet, source)].add(_end(sheet, target))
    return after


def sorted_points(after: Mapping[Point, set[Point]]) -> list[Point]:
    """The points in topological order (Kahn); those in a cycle or behind one are left out."""
    waits = dict.fromkeys(after, 0)
    for targets in after.values():
        for target in targets:
            waits[target] += 1
    order = [point for point, count in waits.items() if count == 0]
    for point in order:
        for target in after[point]:
            waits[target] -= 1
            if waits[target] == 0:
                order.append(target)
    return order


def levels(sheet: Sheet) -> dict[str, int]:
    """How many boxes the longest way to each box has; all that is in a cycle or behind one comes last."""
    after = successors(sheet)
    depth = dict.fromkeys(after, 0)
    order = sorted_points(after)
    for point in order:
        step = 1 if point[0] == "box" else 0
        for target in after[point]:
            depth[target] = max(depth[target], depth[point] + step)
    in_order = set(order)
    last = 1 + max((depth[point] for point in order), default=-1)
    return {key: depth["box", key] if ("box", key) in in_order else last for key in sheet.boxes}


def without_implied(sheet: Sheet) -> Sheet:
    """The transitive reduction: an edge goes where a longer way says the same; dashed and labelled ones stay.

    A dashed edge ("any of these will do") promises no order, so no way through one implies anything.
    A sheet of more than MAX_REDUCED boxes comes back as it is.
    """
    if len(sheet.boxes) > MAX_REDUCED:
        return sheet
    after = successors(sheet, solid_only=True)
    order = sorted_points(after)
    bit = {point: 1 << index for index, point in enumerate(order)}
    reach: dict[Point, int] = {}
    implied: set[tuple[Point, Point]] = set()
    for point in reversed(order):
        targets = [target for target in after[point] if target in bit]
        targets.sort(key=lambda target: bit[target])
        behind = 0
        # In topological order a longer way to a target leads through a target that came earlier.
        for target in targets:
            if behind & bit[target]:
                implied.add((point, target))
            behind |= reach[target] | bit[target]
        reach[point] = behind
    kept = {
        ends: edge
        for ends, edge in sheet.edges.items()
        if edge.dashed or edge.label or (_start(sheet, ends[0]), _end(sheet, ends[1])) not in implied
    }
    return replace(sheet, edges=kept, implied_edges=sheet.implied_edges + len(sheet.edges) - len(kept))


def _start(sheet: Sheet, key: str) -> Point:
    return ("box", key) if key in sheet.boxes else ("out", key)


def _end(sheet: Sheet, key: str) -> Point:
    return ("box", key) if key in sheet.boxes else ("in", key)
