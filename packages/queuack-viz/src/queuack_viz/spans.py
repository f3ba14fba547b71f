"""The rows of a Gantt: what waited and ran, from when to when, and which rows are worth showing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from queuack_viz.critical import blockers, critical_path
from queuack_viz.folding import fold_maps
from queuack_viz.graph import Diagram, Node
from queuack_viz.sheet import Box, Sheet, sheet_of

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a box, its spans in seconds since the run began, and whether the run's end hung on it."""

    box: Box
    waited: Span | None
    ran: Span | None
    critical: bool

    @property
    def start(self) -> float:
        return (self.waited or self.ran or (0.0, 0.0))[0]

    @property
    def length(self) -> float:
        return self.ran[1] - self.ran[0] if self.ran else 0.0


@dataclass(frozen=True, slots=True)
class Chart:
    """Rows in order of their start, how many seconds they span, and how many nodes have no row, and why."""

    sheet: Sheet
    rows: tuple[Row, ...]
    seconds: float
    without_times: int
    too_many: int
    critical_left_out: int


def chart_of(diagram: Diagram, *, max_rows: int, fold_maps_from: int | None) -> Chart:
    """The run that a diagram's times tell of; the rows left out are the shortest that aren't critical."""
    single = sheet_of(diagram)
    ends = {node.id: node.ended_at for node in diagram.nodes if node.ended_at is not None and _ran(node)}
    blocked = blockers(single, ends)
    critical = set(critical_path(blocked, ends))
    ready = {key: end for key, (end, _) in blocked.items()}
    times = [time for node in diagram.nodes for time in _times(node)]
    begin, now = min(times, default=0.0), max(times, default=0.0)
    sheet = fold_maps(single, fold_maps_from) if fold_maps_from is not None else single
    rows, timeless = [], 0
    for box in sheet.boxes.values():
        spans = [span for node in box.members if (span := _spans(node, ready.get(node.id), now)) is not None]
        timeless += len(box.members) - len(spans)
        if spans:
            hung = any(node.id in critical for node in box.members)
            rows.append(_row(box, spans, begin, hung))
    rows.sort(key=lambda row: row.start)
    by_weight = sorted(rows, key=lambda row: (row.critical, row.length), reverse=True)
    left_out = by_weight[max_rows:]
    left_out_ids = {row.box.id for row in left_out}
    kept = [row for row in rows if row.box.id not in left_out_ids]
    return Chart(
        sheet,
        tuple(kept),
        seconds=now - begin,
        without_times=timeless,
        too_many=sum(len(row.box.members) for row in left_out),
        critical_left_out=sum(row.critical for row in left_out),
    )


def _ran(node: Node) -> bool:
    return node.started_at is not None


def _times(node: Node) -> Iterable[float]:
    return (time for time in (node.ready_at, node.started_at, node.ended_at) if time is not None)


def _spans(node: Node, ready: float | None, now: float) -> tuple[Span | None, Span | None] | None:
    """When a node waited and ran; None if nothing is known of it. What has not ended lasts until `now`."""
    ready = node.ready_at if node.ready_at is not None else ready
    if node.started_at is None:
        until = now if node.ended_at is None else node.ended_at
        return None if ready is None else ((ready, max(ready, until)), None)
    end = now if node.ended_at is None else node.ended_at
    ran = (node.started_at, max(node.started_at, end))
    waited = None if ready is None or ready >= node.started_at else (ready, node.started_at)
    return waited, ran


def _row(box: Box, spans: list[tuple[Span | None, Span | None]], begin: float, critical: bool) -> Row:
    """Of many nodes: from when the first waited until it ran, and from then until the last ended."""
    waits = [waited for waited, _ in spans if waited is not None]
    runs = [ran for _, ran in spans if ran is not None]
    ran = (min(start for start, _ in runs) - begin, max(end for _, end in runs) - begin) if runs else None
    waited = None
    if waits:
        start = min(start for start, _ in waits) - begin
        until = ran[0] if ran else max(end for _, end in waits) - begin
        waited = (start, until) if until >= start and (until > start or ran is None) else None
    return Row(box, waited, ran, critical)
