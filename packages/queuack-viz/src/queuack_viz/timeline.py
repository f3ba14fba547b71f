"""Gantt charts: a run as Mermaid text, with what waited, what ran, and the critical path."""

from __future__ import annotations

from collections.abc import Iterator

from queuack_viz.axis import Axis, axis_for
from queuack_viz.colours import readable_on
from queuack_viz.errors import DiagramError
from queuack_viz.escape import NO_WIDTH, escape, visible
from queuack_viz.front import TITLE_COLUMNS, front_matter
from queuack_viz.graph import Diagram
from queuack_viz.labels import count_text, cut, width
from queuack_viz.output import Drawing
from queuack_viz.schemes import MermaidColorScheme
from queuack_viz.sheet import Sheet, shown_name
from queuack_viz.spans import Chart, Row, chart_of
from queuack_viz.wording import details, name_of

NAME_COLUMNS = 40
MAX_ROWS = 150  # at two bars a row, the text stays below Mermaid's 50,000 characters
CRITICAL_MARK = "◆"
# Mermaid wants a text for every bar; a joiner of no width shows as none.
_NO_TEXT = f"#{ord(NO_WIDTH)};"


def draw_gantt(
    diagram: Diagram,
    scheme: MermaidColorScheme | None = None,
    *,
    legend: bool = False,
    max_rows: int = 40,
    fold_maps_from: int | None = 6,
) -> Drawing:
    """A run as a Mermaid Gantt: a row a node, waiting pale, running in colour, the critical path marked ◆.

    It needs the nodes' times: `started_at`, `ended_at`, and `ready_at`, for which the end of the last parent
    does where it isn't given. What is still running, or still waiting, lasts until the last time known.

    * `scheme`: the colours; default `MermaidColorScheme.default()`.
    * `legend`: True adds a row that says which bar is which.
    * `max_rows`: rows at most, 1 to 150, default 40; the critical path and then the longest bars stay.
    * `fold_maps_from`: maps of so many items or more take one row; default 6, None: never.

    Raises:
        DiagramError: `max_rows` or `fold_maps_from` is out of range.
    """
    if not 1 <= max_rows <= MAX_ROWS:
        raise DiagramError(f"max_rows={max_rows}", "is out of range", f"give 1 to {MAX_ROWS}")
    if fold_maps_from is not None and fold_maps_from < 2:
        raise DiagramError(f"fold_maps_from={fold_maps_from}", "is too small", "give 2 or more, or None")
    scheme = scheme or MermaidColorScheme.default()
    chart = chart_of(diagram, max_rows=max_rows, fold_maps_from=fold_maps_from)
    names = _names(chart)
    hidden = _hidden(chart)
    lines = ["gantt", *_title(diagram.title), *_body(chart, names, axis_for(chart.seconds), hidden, legend)]
    running = [number for number, row in enumerate(chart.rows, 1) if row.box.status == "running"]
    text = _front(scheme, [*names, "Not shown"], running) + "\n".join(lines) + "\n"
    return Drawing(text, title=diagram.title, background=scheme.background, hidden=hidden)


def _title(title: str) -> Iterator[str]:
    if title.strip():
        yield f"  title {escape(cut(visible(title), TITLE_COLUMNS).replace(chr(10), ' '))}"


def _names(chart: Chart) -> list[str]:
    """Of each row a name of its own: Mermaid puts rows of one name into one."""
    taken: set[str] = set()
    names = []
    for row in chart.rows:
        mark = f"{CRITICAL_MARK} " if row.critical else ""
        plain = mark + cut(visible(_path(chart.sheet, row)).replace("\n", " "), NAME_COLUMNS)
        name, number = plain, 2
        while name in taken:
            name, number = f"{plain} ({number})", number + 1
        taken.add(name)
        names.append(name)
    return names


def _path(sheet: Sheet, row: Row) -> str:
    groups = [shown_name(sheet.groups[key].label, key) for key in reversed(sheet.ancestors(row.box.id))]
    return " › ".join([*groups, name_of(row.box)])


def _hidden(chart: Chart) -> str:
    parts = []
    folded = [row.box for row in chart.rows if not row.box.is_one]
    if folded:
        nodes = count_text(sum(len(box.members) for box in folded), "node")
        parts.append(f"{nodes} folded into {count_text(len(folded), 'row')}")
    if chart.too_many:
        critical = f", {chart.critical_left_out:,} of them critical" if chart.critical_left_out else ""
        parts.append(f"{count_text(chart.too_many, 'shorter node')}{critical}")
    if chart.without_times:
        parts.append(f"{count_text(chart.without_times, 'node')} without times")
    return "Not shown: " + "; ".join(parts) if parts else ""


def _body(chart: Chart, names: list[str], axis: Axis, hidden: str, legend: bool) -> Iterator[str]:
    yield "  dateFormat YYYY-MM-DD HH:mm:ss.SSS"
    yield f"  axisFormat {axis.label}"
    if axis.tick:
        yield f"  tickInterval {axis.tick}"
    yield "  todayMarker off"
    for number, (row, name) in enumerate(zip(chart.rows, names, strict=True), 1):
        yield f"  section {escape(name)}"
        yield from _bars(row, axis, number)
    if legend:
        yield from _legend(axis)
    if hidden or not chart.rows:
        yield f"  section {'Not shown' if hidden else 'Nothing ran'}"
        yield _bar(
            escape(hidden.removeprefix("Not shown: ")) or _NO_TEXT, "done, ", "hidden", 0, axis.least, axis
        )


def _bars(row: Row, axis: Axis, number: int) -> Iterator[str]:
    said = escape(" · ".join(part for part in details(row.box) if part)) or _NO_TEXT
    too_short = row.ran is not None and row.waited is not None and row.waited[1] - row.waited[0] < axis.least
    if row.waited is not None and not too_short:
        text = _NO_TEXT if row.ran else said
        yield _bar(text, "done, ", f"w{number}", *row.waited, axis)
    if row.ran is not None:
        look = "active, " if row.box.status == "failed" else ""
        critical = "crit, " if row.critical else ""
        yield _bar(said, look + critical, f"r{number}", *row.ran, axis)


def _bar(text: str, look: str, name: str, start: float, end: float, axis: Axis) -> str:
    end = max(end, start + axis.least)
    return f"  {text} :{look}{name}, {axis.instant(start)}, {axis.instant(end)}"


def _legend(axis: Axis) -> Iterator[str]:
    yield "  section Legend"
    looks = (
        ("waited", "done, "),
        ("ran", ""),
        ("failed", "active, "),
        (f"{CRITICAL_MARK} critical path", "crit, "),
    )
    for number, (text, look) in enumerate(looks):
        part = axis.seconds / len(looks)
        yield _bar(text, look, f"legend{number}", number * part, (number + 0.9) * part, axis)


def _front(scheme: MermaidColorScheme, names: list[str], running: list[int]) -> str:
    done, failed, waiting = scheme.paint("done"), scheme.paint("failed"), scheme.waited
    variables = {
        "taskBkgColor": done.fill,
        "taskBorderColor": done.border,
        "taskTextColor": done.text,
        "taskTextOutsideColor": scheme.text,
        "taskTextDarkColor": failed.text,
        "activeTaskBkgColor": failed.fill,
        "activeTaskBorderColor": failed.border,
        "doneTaskBkgColor": waiting,
        "doneTaskBorderColor": waiting,
        "critBkgColor": done.fill,
        "critBorderColor": scheme.critical,
        "gridColor": scheme.line,
    }
    settings = {
        "displayMode": "compact",
        "barHeight": 26,
        "barGap": 8,
        "topPadding": 50,
        "fontSize": 13,
        "sectionFontSize": 14,
        "numberSectionStyles": 2,
        "leftPadding": 28 + 8 * max(map(width, names)),
        "rightPadding": 40,
    }
    return front_matter("", scheme, {"gantt": settings, "themeCSS": _css(scheme, running)}, variables)


def _css(scheme: MermaidColorScheme, running: list[int]) -> str:
    """What Mermaid has no variables for, such as the colours of what still runs."""
    now = scheme.paint("running")
    bars = ", ".join(f'rect[id$="r{number}"]' for number in running)
    texts = ", ".join(f'text[id$="r{number}-text"]' for number in running)
    rules = {
        ".section": "fill: none;",
        ".grid .tick line": f"stroke: {scheme.line}; stroke-opacity: 0.3;",
        ".grid .tick text": "font-size: 12px;",
        bars: f"fill: {now.fill}; stroke: {now.border};",
        texts: f"fill: {now.text};",
        ".crit0, .crit1, .activeCrit0, .activeCrit1": f"stroke: {scheme.critical}; stroke-width: 3px;",
        ".doneText0, .doneText1": f"fill: {readable_on(scheme.waited)} !important;",
        ".taskTextOutsideRight, .taskTextOutsideLeft": f"fill: {scheme.text} !important;",
        'rect[id$="hidden"]': "opacity: 0;",
    }
    return " ".join(f"{selector} {{ {style} }}" for selector, style in rules.items() if selector)
