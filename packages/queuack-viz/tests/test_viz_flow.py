"""Flowcharts as text: what is written, what is folded, and that nothing is hidden silently."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from queuack_viz import Diagram, DiagramError, Drawing, Edge, Group, Limits, Node, draw_flowchart
from queuack_viz.flow import mermaid_size
from queuack_viz.graph import STATUSES

FOLDED = re.compile(r"([\d,]+) of ([\d,]+) nodes? folded into ([\d,]+) box")
BOX = re.compile(r'^ *(n\d+)(\(\[|\[\[|\()"([^"]*)"(?:\]\)|\]\]|\)):::(\w+)$', re.MULTILINE)
ARROW = re.compile(r'^ *([ng]\d+) (-->|-\.->)(?:\|"([^"]*)"\|)? ([ng]\d+)$', re.MULTILINE)


def boxes(drawing: Drawing) -> dict[str, str]:
    """Id and text of each box."""
    return {found[1]: found[3].replace("<br/>", " ") for found in BOX.finditer(drawing.text)}


def arrows(drawing: Drawing) -> list[tuple[str, str]]:
    """Source and target of each arrow, as the first words in their boxes."""
    names = {key: text.split(" ")[0] for key, text in boxes(drawing).items()}
    return [
        (names.get(found[1], found[1]), names.get(found[4], found[4]))
        for found in ARROW.finditer(drawing.text)
    ]


def chain(names: Iterable[str], **common: Any) -> Diagram:
    names = list(names)
    return Diagram([Node(name, **common) for name in names], [Edge(a, b) for a, b in pairwise(names)])


def fan(name: str, count: int, **common: Any) -> Diagram:
    items = [Node(f"{name}[{i}]", **common) for i in range(count)]
    edges = [Edge("start", item.id) for item in items] + [Edge(item.id, "end") for item in items]
    return Diagram([Node("start"), *items, Node("end")], edges)


def test_a_small_diagram_is_drawn_as_it_is() -> None:
    drawing = draw_flowchart(chain(["extract", "transform", "load"]))
    assert list(boxes(drawing).values()) == ["extract", "transform", "load"]
    assert arrows(drawing) == [("extract", "transform"), ("transform", "load")]
    assert drawing.hidden == ""
    assert "flowchart LR" in drawing.text


def test_status_and_duration_are_written_in_the_box() -> None:
    drawing = draw_flowchart(Diagram([Node("a", "load", status="failed", duration_seconds=1.5)]))
    assert '("load<br/>✗ failed · 1.5 s"):::failed' in drawing.text


def test_every_status_has_a_class() -> None:
    text = draw_flowchart(Diagram([])).text
    assert all(f"classDef {status} fill:" in text for status in (*STATUSES, "neutral"))


def test_direction_title_and_legend() -> None:
    drawing = draw_flowchart(
        Diagram([Node("a", status="done")], title='My "run" <1>'), direction="TB", legend=True
    )
    assert "flowchart TB" in drawing.text
    assert 'title: "My \\"run\\" ‹1›"' in drawing.text
    assert 'legend_done("done"):::done' in drawing.text
    assert "legend_failed" not in drawing.text
    assert drawing.title == 'My "run" <1>'


def test_a_legend_without_statuses_shows_them_all() -> None:
    text = draw_flowchart(Diagram([Node("a")]), legend=True).text
    assert all(f"legend_{status}" in text for status in STATUSES)


@pytest.mark.parametrize(("length", "direction"), [(12, "LR"), (13, "TB")])
def test_a_chain_too_long_for_a_row_is_a_column(length: int, direction: str) -> None:
    names = [f"step {chr(97 + i)}" for i in range(length)]
    chain = Diagram(map(Node, names), [Edge(a, b) for a, b in pairwise(names)])
    assert f"\nflowchart {direction}\n" in draw_flowchart(chain).text
    assert "\nflowchart LR\n" in draw_flowchart(chain, direction="LR").text


def test_an_unknown_direction_is_refused() -> None:
    with pytest.raises(DiagramError, match="direction 'UP' is unknown"):
        draw_flowchart(Diagram([]), direction="UP")  # type: ignore[arg-type]


def test_labels_on_arrows_dashes_and_external_nodes() -> None:
    nodes = [Node("a", external=True), Node("b"), Node("c")]
    text = draw_flowchart(Diagram(nodes, [Edge("a", "b", "50%"), Edge("b", "c", dashed=True)])).text
    assert 'n1(["a"]):::neutral' in text
    assert 'n1 -->|"50#37;"| n2' in text
    assert "n2 -.-> n3" in text


def test_groups_nest_and_edges_may_end_at_them() -> None:
    groups = [Group("outer", "Outer", status="done", duration_seconds=2), Group("inner", parent="outer")]
    text = draw_flowchart(Diagram([Node("a"), Node("b", group="inner")], [Edge("a", "outer")], groups)).text
    body = text[text.index('subgraph g1["Outer · ✓ 2 s"]') :]
    assert re.search(r'subgraph g2\["inner"\]\s+direction LR\s+n2\("b"\):::neutral\s+end\s+end', body)
    assert "n1 --> g1" in text


def test_an_empty_group_is_a_box() -> None:
    assert '[["hollow<br/>empty"]]' in draw_flowchart(Diagram([], groups=[Group("hollow")])).text


def test_a_node_without_a_name_still_shows() -> None:
    assert list(boxes(draw_flowchart(Diagram([Node(" ", "\n")]))).values()) == ["(no name)"]


def test_repeated_edges_are_drawn_once_and_self_loops_are_kept() -> None:
    diagram = Diagram([Node("a"), Node("b")], [Edge("a", "b"), Edge("a", "b", dashed=True), Edge("a", "a")])
    assert arrows(draw_flowchart(diagram)) == [("a", "b"), ("a", "a")]


def test_a_map_becomes_one_box_that_says_how_many() -> None:
    drawing = draw_flowchart(fan("score", 500, status="done", duration_seconds=2.0))
    assert '[["score ×500<br/>✓ done · 2 s each"]]:::done' in drawing.text
    assert arrows(drawing) == [("start", "score"), ("score", "end")]
    assert drawing.hidden == "Not shown: 500 of 502 nodes folded into 1 box"
    assert "500 of 502 nodes folded into 1 box" in drawing.text


def test_a_map_that_went_differently_takes_the_loudest_colour_and_counts() -> None:
    nodes = [Node(f"score_{i}", status="failed" if i == 3 else "done") for i in range(20)]
    assert '[["score ×20<br/>19 done · 1 failed"]]:::failed' in draw_flowchart(Diagram(nodes)).text


def test_a_map_name_folds_whatever_the_labels_and_levels_say() -> None:
    nodes = [Node(f"{i}", f"file {chr(97 + i)}", map_name="parse") for i in range(6)]
    drawing = draw_flowchart(Diagram([*nodes, Node("x")], [Edge("x", "0")]))
    assert "parse ×6" in drawing.text


def test_maps_are_folded_from_the_number_asked_for() -> None:
    assert len(boxes(draw_flowchart(fan("score", 5)))) == 7
    assert len(boxes(draw_flowchart(fan("score", 6)))) == 3
    assert len(boxes(draw_flowchart(fan("score", 6), limits=Limits(fold_maps_from=None)))) == 8
    assert len(boxes(draw_flowchart(fan("score", 2), limits=Limits(fold_maps_from=2)))) == 3


def test_a_chain_of_numbered_steps_is_no_map() -> None:
    assert len(boxes(draw_flowchart(chain(f"step {i}" for i in range(20))))) == 20


def test_maps_of_maps_become_a_chain() -> None:
    nodes = [Node(f"{name}[{i}]") for name in ("fetch", "score", "rank") for i in range(300)]
    edges = [Edge(f"fetch[{i}]", f"score[{i}]") for i in range(300)]
    edges += [Edge(f"score[{i}]", f"rank[{i}]") for i in range(300)]
    assert arrows(draw_flowchart(Diagram(nodes, edges))) == [("fetch", "score"), ("score", "rank")]


def test_many_sub_dags_that_look_alike_become_one_box() -> None:
    groups = [Group(f"g{i}", f"train[{i}]") for i in range(200)]
    nodes = [Node(f"{i}.{name}", name, group=f"g{i}") for i in range(200) for name in ("fit", "test")]
    edges = [Edge(f"{i}.fit", f"{i}.test") for i in range(200)] + [Edge("s", f"g{i}") for i in range(200)]
    drawing = draw_flowchart(Diagram([Node("s"), *nodes], edges, groups))
    assert "train ×200<br/>400 nodes inside" in drawing.text
    assert drawing.hidden == "Not shown: 400 of 401 nodes folded into 1 box; 200 groups closed"


def test_implied_edges_go_only_where_there_are_many_or_always_on_request() -> None:
    triangle = Diagram([Node(name) for name in "abc"], [Edge("a", "b"), Edge("b", "c"), Edge("a", "c")])
    assert len(arrows(draw_flowchart(triangle))) == 3
    reduced = draw_flowchart(triangle, limits=Limits(reduce_from=0))
    assert arrows(reduced) == [("a", "b"), ("b", "c")]
    assert reduced.hidden == "Not shown: 1 implied edge left out"


def test_long_names_are_cut_only_where_the_text_would_be_too_long() -> None:
    nodes = [Node(f"{i}", chr(0x430 + i) * 200) for i in range(32)]
    assert draw_flowchart(Diagram(nodes)).hidden == ""
    drawing = draw_flowchart(Diagram(nodes), limits=Limits(max_text=8_000))
    assert mermaid_size(drawing.text) <= 8_000
    assert drawing.hidden == "Not shown: 32 names cut short"


def test_a_name_of_a_thousand_characters_is_cut_and_it_says_so() -> None:
    drawing = draw_flowchart(Diagram([Node("a", "x" * 1000)]))
    assert "…" in drawing.text
    assert drawing.hidden == "Not shown: 1 name cut short"


def test_a_chain_of_thousands_is_folded_in_runs() -> None:
    drawing = draw_flowchart(chain(chr(97 + i % 26) * (i // 26 + 1) for i in range(3000)))
    assert len(boxes(drawing)) <= 150 // 4
    assert drawing.hidden.startswith("Not shown: 3,000 of 3,000 nodes folded into")
    assert "(128 nodes)" in " ".join(boxes(drawing).values())


def test_groups_nested_deeper_than_pythons_stack_are_drawn() -> None:
    groups = [Group("0"), *(Group(f"{i}", parent=f"{i - 1}") for i in range(1, 2000))]
    drawing = draw_flowchart(Diagram([Node("a", group="1999")], groups=groups))
    assert "groups closed" in drawing.hidden


@pytest.mark.parametrize("name", ["max_nodes", "max_edges", "max_text", "fold_maps_from", "reduce_from"])
def test_a_limit_too_small_to_draw_is_refused(name: str) -> None:
    with pytest.raises(DiagramError, match=f"the limit {name}=-1 is too small"):
        Limits(**{name: -1})


NAMES = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=30),
    st.sampled_from(["end", "score[1]", "score[2]", "score[3]", "job_1", "job_2", "a" * 250, "graph", '"]']),
)


@st.composite
def diagrams(draw: st.DrawFn, largest: int = 14) -> Diagram:
    names = draw(st.lists(NAMES, max_size=largest))
    frames = draw(st.integers(0, 4))
    groups = [
        Group(
            f"g{i}",
            draw(NAMES),
            parent=draw(st.none() | st.sampled_from([f"g{j}" for j in range(i)])) if i else None,
            status=draw(st.none() | st.sampled_from(STATUSES)),
        )
        for i in range(frames)
    ]
    nodes = [
        Node(
            f"n{i}",
            name,
            status=draw(st.none() | st.sampled_from(STATUSES)),
            duration_seconds=draw(st.none() | st.floats(0, 1e7)),
            group=draw(st.none() | st.sampled_from([group.id for group in groups])) if groups else None,
            map_name=draw(st.sampled_from([None, None, "score"])),
            external=draw(st.booleans()),
        )
        for i, name in enumerate(names)
    ]
    ids = [thing.id for thing in (*nodes, *groups)]
    ends = st.sampled_from(ids) if ids else st.nothing()
    arrow = st.builds(Edge, ends, ends, st.just("") | NAMES, st.booleans())
    return Diagram(nodes, draw(st.lists(arrow, max_size=24)) if ids else [], groups, draw(NAMES))


LIMITS = st.builds(
    Limits,
    max_nodes=st.integers(1, 12),
    max_edges=st.integers(1, 12),
    max_text=st.just(8_000) | st.just(50_000),
    fold_maps_from=st.none() | st.integers(2, 4),
    reduce_from=st.none() | st.just(0),
)


@settings(deadline=None)
@given(diagrams(), LIMITS | st.just(Limits()), st.booleans())
def test_every_node_is_shown_or_counted_and_every_limit_is_kept(
    diagram: Diagram, limits: Limits, legend: bool
) -> None:
    drawing = draw_flowchart(diagram, legend=legend, limits=limits)
    found = BOX.findall(drawing.text)
    single = [box for box in found if box[1] != "[["]
    told = FOLDED.search(drawing.hidden)
    counted = int(told[1].replace(",", "")) if told else 0
    assert len(single) + counted == len(diagram.nodes)
    assert told is None or drawing.hidden.removeprefix("Not shown: ").startswith(told[0])
    assert len(found) + len(re.findall(r"^ *subgraph g\d", drawing.text, re.MULTILINE)) <= limits.max_nodes
    assert len(ARROW.findall(drawing.text)) <= limits.max_edges
    assert mermaid_size(drawing.text) <= limits.max_text
    assert ("hidden[" in drawing.text) == bool(drawing.hidden)


@settings(deadline=None)
@given(diagrams())
def test_the_text_is_made_of_known_lines_alone(diagram: Diagram) -> None:
    text = draw_flowchart(diagram, legend=True).text
    front, body = text.removeprefix("---\n").split("\n---\n", 1)
    assert [line.split(":")[0] for line in front.split("\n")] in (["title", "config"], ["config"])
    known = (
        r"flowchart (LR|TB)|\s*end|\s+direction (LR|TB)|\s+classDef \w+ [\w:#,.\- ]+|\s+class [\w,]+ \w+"
        r'|\s+subgraph \w+\["[^"]*"\]|\s+linkStyle default [\w:#,.\-]+|\s+legend_\w+\("\w+"\):::\w+'
        r'|\s+hidden\["[^"]*"\]:::unframed'
    )
    for line in body.rstrip("\n").split("\n"):
        assert BOX.fullmatch(line) or ARROW.fullmatch(line) or re.fullmatch(known, line), line
