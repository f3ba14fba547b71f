"""Gantt charts as text: what waited, what ran, what was critical, and what has no row."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from queuack_viz import Diagram, DiagramError, Drawing, Edge, Group, Node, draw_gantt
from queuack_viz.axis import axis_for
from queuack_viz.flow import mermaid_size
from queuack_viz.graph import STATUSES
from queuack_viz.spans import chart_of

BAR = re.compile(
    r"^  (.*?) :((?:done, |active, |crit, )*)(\w+), (\d{4}-\S+ \S+), (\d{4}-\S+ \S+)$", re.MULTILINE
)


def sections(drawing: Drawing) -> list[str]:
    return re.findall(r"^  section (.*)$", drawing.text, re.MULTILINE)


def bars(drawing: Drawing) -> dict[str, tuple[str, str, float, float]]:
    """Of each bar by id: its text, its look, and its start and end in seconds of the chart."""
    day = datetime(2001, 1, 1)
    found = {}
    for text, look, name, start, end in BAR.findall(drawing.text):
        span = [(datetime.fromisoformat(at) - day).total_seconds() for at in (start, end)]
        found[name] = (text, look.strip(", "), *span)
    return found


def run() -> Diagram:
    nodes = [
        Node("load", status="done", started_at=100.0, ended_at=104.0, ready_at=99.0),
        Node("copy", status="done", started_at=100.0, ended_at=101.0),
        Node("fit", status="failed", started_at=106.0, ended_at=110.0),
        Node("mail", status="skipped"),
    ]
    return Diagram(nodes, [Edge("load", "fit"), Edge("copy", "fit"), Edge("fit", "mail")], title="Run")


def test_each_node_waits_pale_and_runs_in_colour_and_the_critical_path_is_marked() -> None:
    drawing = draw_gantt(run())
    assert sections(drawing) == ["◆ load", "copy", "◆ fit", "mail"]
    assert bars(drawing) == {
        "w1": ("#8288;", "done", 0.0, 1.0),
        "r1": ("✓ 4 s", "crit", 1.0, 5.0),
        "r2": ("✓ 1 s", "", 1.0, 2.0),
        "w3": ("#8288;", "done", 5.0, 7.0),
        "r3": ("✗ failed · 4 s", "active, crit", 7.0, 11.0),
        "w4": ("⊘ skipped", "done", 11.0, 11.027),
    }
    assert "  title Run" in drawing.text
    assert drawing.hidden == ""


def test_what_still_runs_or_waits_lasts_until_the_last_time_known() -> None:
    nodes = [
        Node("a", status="running", started_at=0.0),
        Node("b", status="ready", ready_at=2.0),
        Node("c", started_at=1.0, ended_at=8.0),
    ]
    found = bars(draw_gantt(Diagram(nodes)))
    assert found["r1"] == ("▸ running", "", 0.0, 8.0)
    assert found["w3"][2:] == (2.0, 8.0)


def test_what_runs_has_the_colours_of_running() -> None:
    text = draw_gantt(Diagram([Node("a", status="running", started_at=0.0, ready_at=-1.0)])).text
    assert r"rect[id$=\"r1\"] { fill: #fef3c7" in text


def test_a_map_takes_one_row_from_its_first_start_to_its_last_end() -> None:
    nodes = [
        Node(f"score[{i}]", status="done", ready_at=0.0, started_at=1.0 + i, ended_at=3.0 + i)
        for i in range(9)
    ]
    drawing = draw_gantt(Diagram(nodes))
    assert sections(drawing) == ["◆ score ×9", "Not shown"]
    assert bars(drawing)["w1"][2:] == (0.0, 1.0)
    assert bars(drawing)["r1"] == ("✓ done · 2 s each", "crit", 1.0, 11.0)
    assert drawing.hidden == "Not shown: 9 nodes folded into 1 row"
    assert len(sections(draw_gantt(Diagram(nodes), fold_maps_from=None))) == 9


def test_beyond_the_rows_allowed_the_critical_and_the_longest_stay() -> None:
    nodes = [Node(f"job {chr(97 + i)}", started_at=0.0, ended_at=1.0 + i) for i in range(6)]
    nodes += [Node("first", started_at=0.0, ended_at=0.5), Node("last", started_at=0.5, ended_at=9.0)]
    drawing = draw_gantt(Diagram([*nodes, Node("idle")], [Edge("first", "last")]), max_rows=3)
    assert sections(drawing) == ["job f", "◆ first", "◆ last", "Not shown"]
    assert drawing.hidden == "Not shown: 5 shorter nodes; 1 node without times"
    assert "5 shorter nodes#59; 1 node without times" in drawing.text


def test_a_critical_path_longer_than_the_rows_says_what_is_missing_of_it() -> None:
    names = [chr(97 + i) for i in range(10)]
    nodes = [Node(name, started_at=i * 1.0, ended_at=i + 1.0) for i, name in enumerate(names)]
    edges = [Edge(one, other) for one, other in pairwise(names)]
    assert draw_gantt(Diagram(nodes, edges), max_rows=4).hidden == (
        "Not shown: 6 shorter nodes, 6 of them critical"
    )


def test_rows_of_one_name_stay_apart_and_name_their_groups() -> None:
    groups = [Group("g", "train"), Group("h", "eval", parent="g")]
    nodes = [Node("1", "fit", group="h", ready_at=0.0), Node("2", "fit", group="h", ready_at=0.0)]
    assert sections(draw_gantt(Diagram(nodes, groups=groups))) == [
        "train › eval › fit",
        "train › eval › fit (2)",
    ]


def test_nothing_at_all_is_drawn_too() -> None:
    assert sections(draw_gantt(Diagram([]))) == ["Nothing ran"]
    assert draw_gantt(Diagram([Node("a")])).hidden == "Not shown: 1 node without times"


def test_a_legend_on_request() -> None:
    drawing = draw_gantt(run(), legend=True)
    assert "Legend" in sections(drawing)
    texts = [bars(drawing)[f"legend{i}"][0] for i in range(4)]
    assert texts == ["waited", "ran", "failed", "◆ critical path"]


@pytest.mark.parametrize(("max_rows", "fold"), [(0, 6), (151, 6), (40, 1)])
def test_what_is_out_of_range_is_refused(max_rows: int, fold: int) -> None:
    with pytest.raises(DiagramError, match=r"max_rows=|fold_maps_from="):
        draw_gantt(Diagram([]), max_rows=max_rows, fold_maps_from=fold)


@pytest.mark.parametrize(
    ("seconds", "tick", "label"),
    [
        (0.0, "100millisecond", "%-S.%L ms"),
        (0.05, "5second", "%-S ms"),
        (0.5, "100millisecond", "%-S.%L s"),
        (18.0, "2second", "%-S s"),
        (150.0, "30second", "%-M:%S min"),
        (7200.0, "30minute", "%-H:%M h"),
        (2 * 86400.0, "6hour", "day %-j, %-H:%M"),
        (5 * 86400.0, "1day", "day %-j"),
        (90 * 86400.0, "1week", "day %-j"),
        (1e9, "", "·"),
    ],
)
def test_the_axis_suits_the_length_of_the_run(seconds: float, tick: str, label: str) -> None:
    axis = axis_for(seconds)
    assert (axis.tick, axis.label) == (tick, label)


def test_a_short_run_is_drawn_in_milliseconds() -> None:
    assert axis_for(0.05).instant(0.0125) == "2001-01-01 00:00:12.500"
    assert axis_for(5.0).instant(1.25) == "2001-01-01 00:00:01.250"


NAMES = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(["a[1]", "a[2]"])
TIMES = st.none() | st.floats(-1e10, 1e10) | st.floats(0, 10)


@st.composite
def runs(draw: st.DrawFn) -> Diagram:
    nodes = [
        Node(
            f"{index}",
            draw(NAMES),
            status=draw(st.none() | st.sampled_from(STATUSES)),
            ready_at=draw(TIMES),
            started_at=draw(TIMES),
            ended_at=draw(TIMES),
        )
        for index in range(draw(st.integers(0, 10)))
    ]
    ends = st.sampled_from([node.id for node in nodes]) if nodes else st.nothing()
    edge = st.builds(Edge, ends, ends, dashed=st.booleans())
    return Diagram(nodes, draw(st.lists(edge, max_size=12)) if nodes else [])


@settings(deadline=None)
@given(runs(), st.integers(1, 12), st.sampled_from([None, 2]))
def test_every_node_has_a_row_or_is_counted(diagram: Diagram, max_rows: int, fold: int | None) -> None:
    chart = chart_of(diagram, max_rows=max_rows, fold_maps_from=fold)
    shown = sum(len(row.box.members) for row in chart.rows)
    assert shown + chart.without_times + chart.too_many >= len(diagram.nodes)
    drawing = draw_gantt(diagram, max_rows=max_rows, fold_maps_from=fold)
    names = sections(drawing)
    assert len(set(names)) == len(names)
    assert len(names) <= max_rows + 1
    for _, _, start, end in bars(drawing).values():
        assert 0 <= start < end
    lines = [line for line in drawing.text.split("\n---\n")[1].split("\n") if line]
    known = r"gantt|  (dateFormat|axisFormat|tickInterval|todayMarker|section|title) .*"
    assert all(BAR.fullmatch(line) or re.fullmatch(known, line) for line in lines)


def test_as_many_rows_as_may_be_stay_within_mermaids_text() -> None:
    nodes = [
        Node(f"{i}", chr(0x1F600 + i % 60) * 10 + "%" * 190, ready_at=0.0, started_at=1.0, ended_at=2.0)
        for i in range(400)
    ]
    drawing = draw_gantt(Diagram(nodes), max_rows=150, fold_maps_from=None, legend=True)
    assert mermaid_size(drawing.text) <= 50_000
