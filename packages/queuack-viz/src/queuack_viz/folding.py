"""The ways in which many boxes become one: maps, closed groups, levels, and runs of levels."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping

from queuack_viz.graph import Group, Node
from queuack_viz.order import levels
from queuack_viz.sheet import Box, Sheet, merge, shown_name

# `score[17]`, `score[a.csv]`, `score_17`, `score (3)`, `score#3`: the item of a map, by its name alone.
_ITEM = re.compile(r"(?P<stem>.*?\S)(?:\s*\[[^\[\]]*\]|[\s_\-.:#(/]*\d+\)?)", re.DOTALL)


def stem(label: str) -> str | None:
    """What the names of a map's items share: `score` of `score[17]`; None if it isn't named like an item."""
    found = _ITEM.fullmatch(label.strip())
    return found["stem"] if found else None


def fold_maps(sheet: Sheet, at_least: int) -> Sheet:
    """Each map of `at_least` boxes or more as one box.

    A map is what `map_name` says; else boxes of one group, level and stem. Levels keep what follows on one
    another apart, as in `step 1 → step 2`, so that folding never makes a cycle.
    """
    depth = levels(sheet)
    parts: dict[Hashable, list[Box]] = defaultdict(list)
    named: dict[Hashable, str] = {}
    for key, box in sheet.boxes.items():
        part = _map_of(box, depth[key])
        if part is not None:
            parts[box.group, box.external, part] += [box]
            named[box.group, box.external, part] = part[0]
    return _fold(sheet, {part: boxes for part, boxes in parts.items() if len(boxes) >= at_least}, named)


def _map_of(box: Box, level: int) -> tuple[str, int | None] | None:
    names = {node.map_name for node in box.members}
    if box.closed is None and len(names) == 1 and None not in names:
        return str(names.pop()), None
    shared = stem(box.label) if box.times == 1 else None
    return None if shared is None else (shared, level)


def fold_levels(sheet: Sheet, at_least: int, run: int = 1) -> Sheet:
    """Each set of `at_least` boxes or more that share group and level (of `run` levels each) as one box."""
    depth = levels(sheet)
    parts: dict[Hashable, list[Box]] = defaultdict(list)
    for key, box in sheet.boxes.items():
        parts[box.group, depth[key] // run] += [box]
    return _fold(sheet, {part: boxes for part, boxes in parts.items() if len(boxes) >= at_least}, {})


def _fold(sheet: Sheet, parts: Mapping[Hashable, list[Box]], named: Mapping[Hashable, str]) -> Sheet:
    merged = []
    for part, boxes in parts.items():
        if len(boxes) > 1:
            merged.append((_folded(boxes, named.get(part, "")), [box.id for box in boxes]))
    return merge(sheet, merged) if merged else sheet


def _folded(boxes: Iterable[Box], label: str) -> Box:
    first, *rest = boxes
    members: list[Node] = [node for box in (first, *rest) for node in box.members]
    names = {box.label for box in (first, *rest)}
    if not label and len(names) == 1:
        label = first.label
    times = sum(box.times for box in (first, *rest))
    external = all(box.external for box in (first, *rest))
    return Box(first.id, label, first.group, tuple(members), times, external=external)


def depths(groups: Mapping[str, Group]) -> dict[str, int]:
    """How many groups are around each group."""
    found: dict[str, int] = {}
    for key in groups:
        path: list[str] = []
        at: str | None = key
        while at is not None and at not in found:
            path.append(at)
            at = groups[at].parent
        outside = -1 if at is None else found[at]
        found |= {inner: outside + 1 + index for index, inner in enumerate(reversed(path))}
    return found


def close_groups(sheet: Sheet, depth: int | None = None) -> Sheet:
    """Each group at `depth` (default: the deepest there are) as one box, with all that is in it."""
    depth_of = depths(sheet.groups)
    if depth is None:
        depth = max(depth_of.values(), default=0)
    closed = sorted((key for key in sheet.groups if depth_of[key] >= depth), key=lambda key: depth_of[key])
    outermost: dict[str, str] = {}
    for key in closed:
        outermost[key] = key if depth_of[key] == depth else outermost[str(sheet.groups[key].parent)]
    olds: dict[str, list[str]] = defaultdict(list)
    for key in closed:
        olds[outermost[key]].append(key)
    for box in sheet.boxes.values():
        if box.group in outermost:
            olds[outermost[box.group]].append(box.id)
    return merge(
        sheet, [(_closed(sheet, key, inside), inside) for key, inside in olds.items()], closed=closed
    )


def _closed(sheet: Sheet, key: str, inside: Iterable[str]) -> Box:
    group = sheet.groups[key]
    boxes = [sheet.boxes[thing] for thing in inside if thing in sheet.boxes]
    members = tuple(node for box in boxes for node in box.members)
    return Box(key, shown_name(group.label, key), group.parent, members, closed=group)
