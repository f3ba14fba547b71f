"""What is written in a box, on a frame, and in the note that says what a drawing hides."""

from __future__ import annotations

from collections.abc import Iterable

from queuack_viz.escape import escape, visible
from queuack_viz.graph import STATUSES, Group
from queuack_viz.labels import count_text, cut, seconds_text, status_text, width, wrap
from queuack_viz.sheet import Box, Sheet, shown_name

NAMED_OF_MANY = 3


def name_of(box: Box) -> str:
    """The first line of a box: `load`, `score ×500`, `load, clean, parse, … (120 nodes)`."""
    if box.times == 1:
        return box.label
    if box.label:
        return f"{box.label} ×{box.times:,}"
    names = list(dict.fromkeys(shown_name(node.label, node.id) for node in box.members))
    some = ", ".join(cut(name, 24) for name in names[:NAMED_OF_MANY])
    more = ", …" if len(names) > NAMED_OF_MANY else ""
    return f"{some}{more} ({count_text(len(box.members), 'node')})"


def box_text(box: Box, columns: int) -> str:
    """All that is written in a box, escaped; the name in at most `columns` columns."""
    lines = [wrap(_short(name_of(box), columns)), *(wrap(detail) for detail in details(box))]
    return escape("\n".join(line for line in lines if line))


def details(box: Box) -> Iterable[str]:
    """What is said below a box's name: how it went, how long it took, how much is inside."""
    if box.is_one:
        yield from (status_text(node.status, node.seconds) for node in box.members)
        return
    if box.closed is not None or (box.label and len(box.members) != box.times):
        yield count_text(len(box.members), "node") + " inside" if box.members else "empty"
    if box.closed is not None and box.closed.status is not None:
        yield status_text(box.closed.status, box.closed.duration_seconds)
    else:
        yield _summary(box)


def _summary(box: Box) -> str:
    counts = box.statuses
    if len(counts) > 1:
        return " · ".join(f"{counts[status]:,} {status}" for status in STATUSES if counts[status])
    shown = status_text(box.status, None)
    known = sorted(node.seconds for node in box.members if node.seconds is not None)
    if not known:
        return shown
    least, most = seconds_text(known[0]), seconds_text(known[-1])
    span = least if least == most else f"{least} – {most}"
    return f"{shown} · {span} each" if shown else f"{span} each"


def frame_text(group: Group, columns: int) -> str:
    """The heading of a frame, escaped."""
    said = status_text(group.status, group.duration_seconds)
    name = _short(shown_name(group.label, group.id), columns)
    return escape(f"{name} · {said}" if said else name)


def hidden_text(sheet: Sheet) -> str:
    """What the drawing doesn't show, as one sentence; empty if it shows everything."""
    folded = [box for box in sheet.boxes.values() if not box.is_one and box.members]
    parts = []
    if folded:
        nodes = sum(len(box.members) for box in folded)
        total = sum(len(box.members) for box in sheet.boxes.values())
        parts.append(
            f"{nodes:,} of {count_text(total, 'node')} folded into {count_text(len(folded), 'box|boxes')}"
        )
    if sheet.closed_groups:
        parts.append(f"{count_text(sheet.closed_groups, 'group')} closed")
    if sheet.implied_edges:
        parts.append(f"{count_text(sheet.implied_edges, 'implied edge')} left out")
    cut_names = sum(width(visible(name)) > sheet.label_columns for name in _names(sheet))
    if cut_names:
        parts.append(f"{count_text(cut_names, 'name')} cut short")
    return "Not shown: " + "; ".join(parts) if parts else ""


def _names(sheet: Sheet) -> Iterable[str]:
    yield from map(name_of, sheet.boxes.values())
    yield from (shown_name(group.label, group.id) for group in sheet.groups.values())
    yield from (edge.label for edge in sheet.edges.values())


def edge_text(label: str, columns: int) -> str:
    """What is written on an arrow, escaped."""
    return escape(wrap(_short(label, columns)))


def note_text(hidden: str, columns: int) -> str:
    """What a drawing hides, escaped, in lines of so many columns."""
    return escape(wrap(hidden, columns))


def _short(text: str, columns: int) -> str:
    return cut(visible(text), columns)
