"""Real Mermaid in a real browser: whatever is drawn parses, reads as it should, and is kept as a picture.

The pictures land in build/viz of the checkout. Look at them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from queuack_viz import Diagram, Edge, Group, MermaidColorScheme, Node, draw_flowchart, draw_gantt
from queuack_viz.escape import visible
from queuack_viz.graph import STATUSES

SCHEMES = ["default", "blue_professional", "dark_mode", "pastel", "high_contrast", "grayscale"]
LIGHT, DARK = "#ffffff", "#0d1117"
NASTY = [
    "end",
    "say \"hi\" and 'bye'",
    "a[b](c){d}<e>",
    "x --> y -.-> z",
    "日本語の名前 テスト",
    "🦆 duck 👩‍👩‍👧‍👦",
    "line one\nline two\r\nline three",
    "a" * 200,
    "word " * 40,
    "<script>alert(1)</script>",
    "100% #1; &amp; #35; &#35;",
    "`md` **b** _i_ ~~s~~ $$x^2$$",
    "1. first",
    "- item",
    "fa:fa-car",
    "%%{init: {}}%%",
    "---",
    "שלום עולם",
    "\u202eevil\u0007\ufeff",
    "\ud800",
    "graph subgraph click style classDef:::#x; linkStyle default",
    "|pipe|",
    "C:\\path\\new\\table",
    "ﬂ°°35¶ß",
    "javascript:alert(1)",
    "very_long_function_name_that_goes_on.module:Klass.methodNameInCamelCase",
]
Draw = Callable[..., dict[str, Any]]


@pytest.fixture
def draw(canvas: Any) -> Draw:
    """Draws a text in the browser; a Mermaid error of any kind fails the test."""

    def drawn(text: str, **how: Any) -> dict[str, Any]:
        result: dict[str, Any] = canvas.draw(text, **how)
        assert result["error"] is None, f"{result['error']}\n{text}"
        return result

    return drawn


def squeezed(text: str) -> str:
    """The text without blanks, of which HTML and line breaking make free use."""
    return "".join(text.split())


def lettered(number: int) -> str:
    """A name for a number that doesn't look like an item of a map."""
    return "".join(chr(ord(digit) + 49) for digit in str(number))


def nightly(title: str) -> Diagram:
    """A run with everything in it: every status, nested groups, a map, labels, a dashed edge, an outsider."""
    nodes = [
        Node("customers", "load customers", "done", ready_at=0, started_at=0.2, ended_at=1.44),
        Node("orders", "load orders", "done", ready_at=0, started_at=0.2, ended_at=3.9),
        Node("clean", status="done", group="prep", started_at=4.1, ended_at=5.0),
        Node("join", status="done", group="prep", started_at=5.3, ended_at=6.1),
        Node("fit", status="done", group="model", started_at=6.2, ended_at=12.0),
        Node("validate", status="running", group="check", started_at=12.1),
        Node("explain", status="cancelled", group="check"),
        Node("report", status="pending"),
        Node("mail", status="skipped"),
        Node("store", "metrics store", "ready", external=True),
    ]
    scores = [
        Node(
            f"score[{i}]",
            status="failed" if i % 25 == 0 else "done",
            started_at=12.1 + i / 100,
            ended_at=12.4 + i / 90,
        )
        for i in range(500)
    ]
    edges = [
        *(Edge(name, "clean") for name in ("customers", "orders")),
        Edge("clean", "join"),
        Edge("join", "fit"),
        *(Edge("fit", name) for name in ("validate", "explain", *(node.id for node in scores))),
        *(Edge(node.id, "report") for node in scores),
        Edge("validate", "report", dashed=True),
        Edge("report", "mail", "on success"),
        Edge("store", "fit"),
    ]
    groups = [
        Group("prep", "prepare", status="done", duration_seconds=2.0),
        Group("model", "train model"),
        Group("check", "check quality", parent="model", status="running"),
    ]
    return Diagram([*nodes, *scores], edges, groups, title)


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_draws_both_kinds(draw: Draw, name: str) -> None:
    scheme = getattr(MermaidColorScheme, name)()
    how = {"background": scheme.background}
    flow = draw(draw_flowchart(nightly(name), scheme, legend=True).text, shot=f"flow_{name}", **how)
    assert flow["edges"] == 11
    assert "score ×500\n480 done · 20 failed" in flow["labels"]
    assert {"prepare · ✓ 2 s", "train model", "check quality · ▸ running", "Legend"} <= set(flow["groups"])
    gantt = draw(draw_gantt(nightly(name), scheme, legend=True).text, shot=f"gantt_{name}", **how)
    assert "◆ score ×500" in gantt["sections"]
    assert {"waited", "ran", "failed", "◆ critical path"} <= {bar.strip() for bar in gantt["bars"]}


@pytest.mark.parametrize("name", ["default", "dark_mode"])
@pytest.mark.parametrize(("page", "background"), [("light", LIGHT), ("dark", DARK)])
def test_on_pages_of_either_colour(draw: Draw, name: str, page: str, background: str) -> None:
    scheme = getattr(MermaidColorScheme, name)()
    drawing = draw_flowchart(nightly(f"{name} on a {page} page"), scheme, direction="TB", legend=True)
    draw(drawing.text, background=background, shot=f"page_{page}_{name}")
    drawing = draw_gantt(nightly(f"{name} on a {page} page"), scheme)
    draw(drawing.text, background=background, shot=f"page_{page}_{name}_gantt")


@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_a_plan_that_has_not_run(draw: Draw, direction: Any) -> None:
    names = ["extract", "transform_orders", "transform_customers", "join_all", "publish"]
    pairs = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (0, 4)]
    diagram = Diagram(map(Node, names), [Edge(names[a], names[b]) for a, b in pairs], title="ETL")
    drawn = draw(draw_flowchart(diagram, direction=direction).text, shot=f"plan_{direction}")
    assert drawn["labels"] == names
    assert drawn["edges"] == 6


def test_any_name_shows_as_it_is(draw: Draw) -> None:
    nodes = [Node(f"{i}", name) for i, name in enumerate(NASTY)]
    edges = [Edge(f"{i // 3}", f"{i}", NASTY[i]) for i in range(1, len(NASTY))]
    drawn = draw(draw_flowchart(Diagram(nodes, edges, title='<b>"A" & b: #1;\n---')).text, shot="nasty_flow")
    assert [squeezed(label) for label in drawn["labels"]] == [squeezed(visible(name)) for name in NASTY]
    assert drawn["edges"] == len(edges)


def test_any_name_shows_on_a_frame(draw: Draw) -> None:
    groups = [Group(f"g{i}", name) for i, name in enumerate(NASTY)]
    nodes = [Node(f"{i}", group=group.id) for i, group in enumerate(groups)]
    drawn = draw(draw_flowchart(Diagram(nodes, groups=groups)).text)
    assert {squeezed(label) for label in drawn["groups"]} == {squeezed(visible(name)) for name in NASTY}


def test_any_name_shows_in_a_gantt_shortened_to_its_column(draw: Draw) -> None:
    nodes = [
        Node(f"{i}", name, "done", started_at=i / 1000, ended_at=(i + 2) / 1000)
        for i, name in enumerate(NASTY)
    ]
    drawn = draw(draw_gantt(Diagram(nodes, title=NASTY[10])).text, shot="nasty_gantt")
    assert len(drawn["sections"]) == len(NASTY)
    for section, name in zip(drawn["sections"], NASTY, strict=True):
        shown = squeezed(section).removeprefix("◆")
        assert shown == squeezed(visible(name)) or "…" in shown


def test_sub_dags_in_sub_dags(draw: Draw) -> None:
    depth = 6
    groups = [Group(f"g{i}", f"level {chr(97 + i)}", parent=f"g{i - 1}" if i else None) for i in range(depth)]
    nodes = [Node(f"{kind}{i}", kind, group=f"g{i}") for i in range(depth) for kind in ("enter", "leave")]
    edges = [Edge(f"enter{i}", f"enter{i + 1}") for i in range(depth - 1)]
    edges += [Edge(f"leave{i + 1}", f"leave{i}") for i in range(depth - 1)]
    edges += [Edge(f"enter{depth - 1}", f"leave{depth - 1}"), Edge("before", "g0"), Edge("g0", "after")]
    diagram = Diagram([Node("before"), *nodes, Node("after")], edges, groups, "Nested")
    drawn = draw(draw_flowchart(diagram).text, shot="nested")
    assert sorted(drawn["groups"]) == [f"level {chr(97 + i)}" for i in range(depth)]
    assert drawn["edges"] == len(edges)


def test_two_thousand_nodes_are_folded(draw: Draw) -> None:
    chance = random.Random(8)
    nodes = [Node(f"{i}", f"task {lettered(i)}", chance.choice(STATUSES)) for i in range(2000)]
    pairs = [(chance.randrange(max(0, i - 200), i), i) for i in range(1, 2000) for _ in range(3)]
    edges = [Edge(f"{parent}", f"{child}") for parent, child in pairs]
    drawing = draw_flowchart(Diagram(nodes, edges, title="2,000 nodes"))
    drawn = draw(drawing.text, shot="large")
    assert "of 2,000 nodes folded into" in drawing.hidden
    assert any("of 2,000 nodes folded into" in label.replace("\n", " ") for label in drawn["labels"])
    assert len(drawn["labels"]) <= 150 // 4 + 1


def test_as_many_boxes_and_arrows_as_the_limits_allow(draw: Draw) -> None:
    nodes = [Node(f"{i}", lettered(i)) for i in range(150)]
    edges = [Edge(f"{i}", f"{j}", dashed=True) for i in range(10) for j in range(10, 60)]
    drawn = draw(draw_flowchart(Diagram(nodes, edges)).text)
    assert (len(drawn["labels"]), drawn["edges"]) == (150, 500)


def test_long_runs_and_empty_ones(draw: Draw) -> None:
    nodes = [
        Node(f"job {lettered(i)}", status="done", ready_at=i, started_at=i + 0.4, ended_at=i + 5.0)
        for i in range(90)
    ]
    edges = [Edge(nodes[i - 3].id, nodes[i].id) for i in range(3, 90)]
    draw(draw_gantt(Diagram(nodes, edges, title="90 jobs"), legend=True).text, shot="gantt_long")
    days = [Node("a", started_at=0, ended_at=3 * 86400), Node("b", started_at=3 * 86400, ended_at=5 * 86400)]
    draw(draw_gantt(Diagram(days, [Edge("a", "b")], title="Days")).text, shot="gantt_days")
    draw(draw_gantt(Diagram([])).text)
    draw(draw_flowchart(Diagram([]), legend=True).text)
    draw(draw_flowchart(Diagram([], groups=[Group("a"), Group("b", parent="a")])).text)


# Nothing is shrunk: a picture takes so long that a failure would be minutes in coming.
SETTINGS = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
NAMES = st.text(st.characters(exclude_categories=()), max_size=24) | st.sampled_from(NASTY)


@settings(SETTINGS, max_examples=60)
@given(st.data())
def test_whatever_the_names_groups_and_edges_it_draws(draw: Draw, data: st.DataObject) -> None:
    groups = [
        Group(f"g{i}", data.draw(NAMES), data.draw(st.sampled_from([None, *(f"g{j}" for j in range(i))])))
        for i in range(data.draw(st.integers(0, 4)))
    ]
    homes = st.sampled_from([None, *(group.id for group in groups)])
    nodes = [
        Node(f"n{i}", data.draw(NAMES), group=data.draw(homes), external=data.draw(st.booleans()))
        for i in range(data.draw(st.integers(1, 6)))
    ]
    ends = st.sampled_from([thing.id for thing in (*nodes, *groups)])
    edges = data.draw(st.lists(st.builds(Edge, ends, ends, NAMES, st.booleans()), max_size=10))
    drawing = draw_flowchart(Diagram(nodes, edges, groups, data.draw(NAMES)), legend=data.draw(st.booleans()))
    drawn = draw(drawing.text)
    shown = {squeezed(label) for label in drawn["labels"]}
    expected = {squeezed(visible(node.label if node.label.strip() else node.id)) for node in nodes}
    assert expected <= shown or drawing.hidden  # six alike are folded, and it says so


@settings(SETTINGS, max_examples=30)
@given(st.lists(st.tuples(NAMES, st.floats(0, 1e6), st.floats(0, 1e6)), min_size=1, max_size=5))
def test_whatever_ran_its_gantt_draws(draw: Draw, ran: list[tuple[str, float, float]]) -> None:
    nodes = [
        Node(f"n{i}", name, "done", started_at=start, ended_at=start + length)
        for i, (name, start, length) in enumerate(ran)
    ]
    drawn = draw(draw_gantt(Diagram(nodes), fold_maps_from=None).text)
    assert len(drawn["sections"]) == len(nodes)


@pytest.mark.parametrize("name", ["default", "dark_mode"])
def test_the_page_draws_offline(browser: Any, tmp_path: Path, name: str) -> None:
    scheme = getattr(MermaidColorScheme, name)()
    path = draw_flowchart(nightly("A page of its own"), scheme, legend=True).write(tmp_path / "run.html")
    browser.resize(1280, 720)
    browser.open(path.as_uri())
    state = browser.evaluate("""
        new Promise((drawn) => {
          const root = document.documentElement;
          const text = () => document.body.innerText.slice(0, 200);
          const tell = () => root.dataset.drawn && drawn([root.dataset.drawn, text()]);
          new MutationObserver(tell).observe(root, {attributes: true});
          tell();
        })
    """)
    assert state[0] == "yes", state[1]
    assert browser.evaluate("document.querySelectorAll('svg .node').length") >= 12
    assert browser.evaluate("performance.getEntriesByType('resource').length") == 0
    browser.screenshot(Path(__file__).parents[3] / "build" / "viz" / f"html_{name}.png")
