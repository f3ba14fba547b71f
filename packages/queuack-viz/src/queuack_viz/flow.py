"""Flowcharts: a diagram as Mermaid text, folded as far as it must be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Literal

from queuack_viz.errors import DiagramError
from queuack_viz.fitting import Limits, fit
from queuack_viz.front import front_matter
from queuack_viz.graph import STATUSES, Diagram, Group
from queuack_viz.order import levels
from queuack_viz.output import Drawing
from queuack_viz.schemes import MermaidColorScheme, Paint
from queuack_viz.sheet import Box, Sheet, sheet_of
from queuack_viz.wording import box_text, edge_text, frame_text, hidden_text, note_text

Direction = Literal["LR", "TB"]
# Longer rows than this shrink below what one can read on a page or a slide.
LONGEST_ROW = 12
LAYOUT = {
    "curve": "basis",
    "wrappingWidth": 640,
    "nodeSpacing": 32,
    "rankSpacing": 44,
    "padding": 12,
    "diagramPadding": 16,
    "subGraphTitleMargin": {"top": 0, "bottom": 10},
}


def draw_flowchart(
    diagram: Diagram,
    scheme: MermaidColorScheme | None = None,
    *,
    direction: Direction | None = None,
    legend: bool = False,
    limits: Limits | None = None,
) -> Drawing:
    """A diagram as a Mermaid flowchart: its text, and ways to write and to show it.

    * `scheme`: the colours; default `MermaidColorScheme.default()`.
    * `direction`: `"LR"` from left to right, or `"TB"` from top to bottom. Default: from left to right, but
      from top to bottom where more than 12 boxes come one after another.
    * `legend`: True adds a frame that says which colour is which status.
    * `limits`: how much it may hold before it is folded; default `Limits()`. What folding hides, a note in
      the drawing tells, and `Drawing.hidden`.

    Raises:
        DiagramError: the direction is neither `"LR"` nor `"TB"`.
    """
    if direction not in (None, "LR", "TB"):
        raise DiagramError(f"the direction {direction!r}", "is unknown", 'use "LR" or "TB"')
    scheme = scheme or MermaidColorScheme.default()
    limits = limits or Limits()

    def text_of(sheet: Sheet) -> str:
        return _text(sheet, diagram.title, scheme, direction or _readable(sheet), legend)

    sheet = fit(sheet_of(diagram), limits, lambda sheet: mermaid_size(text_of(sheet)))
    return Drawing(
        text_of(sheet), title=diagram.title, background=scheme.background, hidden=hidden_text(sheet)
    )


def _readable(sheet: Sheet) -> Direction:
    return "TB" if len(set(levels(sheet).values())) > LONGEST_ROW else "LR"


def mermaid_size(text: str) -> int:
    """The length of a text as Mermaid counts it against `maxTextSize`: in UTF-16 units."""
    return len(text) + sum(char > "\uffff" for char in text)


def _text(sheet: Sheet, title: str, scheme: MermaidColorScheme, direction: Direction, legend: bool) -> str:
    ids = {key: f"n{index}" for index, key in enumerate(sheet.boxes, 1)}
    ids |= {key: f"g{index}" for index, key in enumerate(sheet.groups, 1)}
    lines = [f"flowchart {direction}"]
    hidden = hidden_text(sheet)
    drawn = [*_contents(sheet, ids, direction), *_arrows(sheet, ids)]
    if legend:  # Mermaid places frames in reverse: this one goes below the graph, or to its right
        lines += _legend(sheet, "TB" if direction == "LR" else "LR")
    if legend or hidden:
        # A frame of its own, which nobody sees, keeps what stands beside the graph out of the graph's layout.
        lines += ['  subgraph whole[" "]', f"  direction {direction}", *drawn, "  end"]
    else:
        lines += drawn
    if hidden:
        lines.append(f'  hidden["{note_text(hidden, 80 if direction == "LR" else 28)}"]:::unframed')
    lines += _classes(sheet, ids, scheme, legend, bool(hidden))
    return front_matter(title, scheme, {"flowchart": LAYOUT}) + "\n".join(lines) + "\n"


def _contents(sheet: Sheet, ids: Mapping[str, str], direction: str) -> Iterator[str]:
    """Boxes and frames, nested; without recursion, for groups may nest deeper than Python's stack."""
    inside: dict[str | None, list[Box | Group]] = defaultdict(list)
    for box in sheet.boxes.values():
        inside[box.group].append(box)
    for group in sheet.groups.values():
        inside[group.parent].append(group)
    open_frames: list[Iterator[Box | Group]] = [iter(inside[None])]
    while open_frames:
        indent = "  " * len(open_frames)
        thing = next(open_frames[-1], None)
        if thing is None:
            open_frames.pop()
            if open_frames:
                yield indent[2:] + "end"
        elif isinstance(thing, Group):
            yield f'{indent}subgraph {ids[thing.id]}["{frame_text(thing, sheet.label_columns)}"]'
            yield f"{indent}  direction {direction}"
            open_frames.append(iter(inside[thing.id]))
        else:
            yield indent + _box(thing, ids[thing.id], sheet.label_columns)


def _box(box: Box, name: str, columns: int) -> str:
    left, right = ("[[", "]]") if not box.is_one else ("([", "])") if box.external else ("(", ")")
    return f'{name}{left}"{box_text(box, columns)}"{right}:::{box.status or "neutral"}'


def _shown_statuses(sheet: Sheet) -> list[str]:
    shown = {box.status for box in sheet.boxes.values()} | {group.status for group in sheet.groups.values()}
    return [status for status in STATUSES if status in shown]


def _arrows(sheet: Sheet, ids: Mapping[str, str]) -> Iterator[str]:
    for edge in sheet.edges.values():
        label = f'|"{edge_text(edge.label, sheet.label_columns)}"|' if edge.label.strip() else ""
        yield f"  {ids[edge.source]} {'-.->' if edge.dashed else '-->'}{label} {ids[edge.target]}"


def _legend(sheet: Sheet, across: Direction) -> Iterator[str]:
    yield '  subgraph legend["Legend"]'
    yield f"    direction {across}"
    for status in _shown_statuses(sheet) or STATUSES:
        yield f'    legend_{status}("{status}"):::{status}'
    yield "  end"


def _classes(
    sheet: Sheet, ids: Mapping[str, str], scheme: MermaidColorScheme, legend: bool, note: bool
) -> Iterator[str]:
    for status in STATUSES:
        yield f"  classDef {status} {_style(scheme.paint(status))}"
    yield f"  classDef neutral {_style(scheme.paint(None))}"
    frame = scheme.frame()
    frames: dict[str, list[str]] = defaultdict(list)
    for key, group in sheet.groups.items():
        frames[group.status or ""].append(ids[key])
    if legend:
        frames[""].append("legend")
    for status, names in frames.items():
        paint = scheme.paint(status) if status else frame
        style = _style(Paint(frame.fill, frame.text, paint.border, paint.dashed))
        # Mermaid leaves 20 px between the tops of nested frames: what a title of this size takes.
        yield f"  classDef frame{status} {style},font-size:13px"
        yield f"  class {','.join(names)} frame{status}"
    if legend or note:
        yield f"  classDef unframed fill:none,stroke:none,color:{scheme.text}"
        yield "  class whole unframed"
    if sheet.edges:
        yield f"  linkStyle default stroke:{scheme.line},stroke-width:1.75px,color:{scheme.text}"


def _style(paint: Paint) -> str:
    dashes = ",stroke-dasharray:5 4" if paint.dashed else ""
    return f"fill:{paint.fill},color:{paint.text},stroke:{paint.border},stroke-width:1.5px{dashes}"
