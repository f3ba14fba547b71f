"""What each box waited for, and the critical path: the chain of such waits that ends with the run."""

from __future__ import annotations

from collections.abc import Mapping

from queuack_viz.order import Point, sorted_points, successors
from queuack_viz.sheet import Sheet

# When something ended, and the id of the box that did.
End = tuple[float, str]


def blockers(sheet: Sheet, ends: Mapping[str, float]) -> dict[str, End]:
    """For each box the parent that let it start: the last of its parents to end.

    Of dashed edges ("any of these will do") it is the first. `ends` holds the end of each box that has ended;
    boxes in a cycle, or behind one, have no blocker.
    """
    solid = successors(sheet, solid_only=True)
    seen: dict[Point, End] = {}
    found: dict[str, End] = {}
    firsts = _first_of_any(sheet, ends)
    for point in sorted_points(solid):
        kind, key = point
        here = seen.get(point)
        if kind == "box":
            let_go = max((end for end in (here, firsts.get(key)) if end is not None), default=None)
            if let_go is not None:
                found[key] = let_go
            here = (ends[key], key) if key in ends else None
        if here is not None:
            for target in solid[point]:
                seen[target] = max(here, seen.get(target, here))
    return found


def _first_of_any(sheet: Sheet, ends: Mapping[str, float]) -> dict[str, End]:
    firsts: dict[str, End] = {}
    for source, target in (ends_of for ends_of, edge in sheet.edges.items() if edge.dashed):
        if source in ends and _succeeded(sheet, source):
            end = (ends[source], source)
            firsts[target] = min(end, firsts.get(target, end))
    return firsts


def _succeeded(sheet: Sheet, key: str) -> bool:
    return sheet.boxes[key].status in ("done", None)


def critical_path(blocked_by: Mapping[str, End], ends: Mapping[str, float]) -> list[str]:
    """The boxes from the first that mattered to the last that ended: what to make faster to end sooner."""
    if not ends:
        return []
    at: str | None = max(ends, key=lambda key: ends[key])
    path: dict[str, None] = {}
    while at is not None and at not in path:  # dashed edges may form a cycle
        path[at] = None
        blocker = blocked_by.get(at)
        at = blocker[1] if blocker is not None else None
    return list(path)[::-1]
