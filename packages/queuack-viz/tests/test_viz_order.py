"""Levels, transitive reduction, and the critical path, against what brute force says."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from queuack_viz import Diagram, Edge, Group, Node
from queuack_viz.critical import blockers, critical_path
from queuack_viz.order import MAX_REDUCED, levels, without_implied
from queuack_viz.sheet import Sheet, sheet_of

PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30)


def sheet(pairs: Iterable[tuple[str, str]], groups: Iterable[Group] = (), **where: str) -> Sheet:
    pairs, groups = list(pairs), list(groups)
    held = {group.id for group in groups}
    names = dict.fromkeys([*where, *(name for pair in pairs for name in pair if name not in held)])
    nodes = [Node(name, group=where.get(name)) for name in names]
    return sheet_of(Diagram(nodes, [Edge(*pair) for pair in pairs], groups))


def reachable(pairs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    found = set(pairs)
    while more := {(a, d) for a, b in found for c, d in found if b == c} - found:
        found |= more
    return found


@given(PAIRS)
def test_the_reduction_of_a_dag_reaches_the_same_with_no_edge_too_many(pairs: list[tuple[int, int]]) -> None:
    edges = {(str(a), str(b)) for a, b in pairs if a < b}
    reduced = without_implied(sheet(edges))
    kept = set(reduced.edges)
    assert reachable(kept) == reachable(edges)
    assert all(reachable(kept - {edge}) != reachable(kept) for edge in kept)
    assert reduced.implied_edges == len(edges) - len(kept)


@given(PAIRS)
def test_the_reduction_of_any_graph_reaches_the_same(pairs: list[tuple[int, int]]) -> None:
    edges = {(str(a), str(b)) for a, b in pairs}
    assert reachable(without_implied(sheet(edges)).edges) == reachable(edges)


@given(PAIRS)
def test_levels_grow_along_every_edge_of_a_dag(pairs: list[tuple[int, int]]) -> None:
    edges = {(str(a), str(b)) for a, b in pairs if a < b}
    level = levels(sheet(edges))
    assert all(level[a] < level[b] for a, b in edges)
    assert all(level[b] == 0 or any(level[a] == level[b] - 1 for a, c in edges if c == b) for b in level)


def test_what_is_in_a_cycle_or_behind_one_comes_last() -> None:
    level = levels(sheet([("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]))
    assert level == {"a": 0, "b": 1, "c": 1, "d": 1}


def test_an_edge_to_a_group_is_an_edge_to_all_it_holds() -> None:
    drawn = sheet([("a", "g"), ("g", "z"), ("x", "y"), ("a", "y"), ("a", "z")], [Group("g")], x="g", y="g")
    assert levels(drawn) == {"x": 1, "y": 2, "a": 0, "z": 3}
    assert set(without_implied(drawn).edges) == {("a", "g"), ("g", "z"), ("x", "y")}


def test_an_edge_between_a_group_and_what_it_holds_is_implied_by_the_frame() -> None:
    drawn = sheet([("x", "g"), ("g", "h"), ("x", "y")], [Group("g"), Group("h", parent="g")], x="h", y="g")
    assert set(drawn.edges) == {("x", "y")}
    assert drawn.implied_edges == 2


def test_dashed_and_labelled_edges_stay_and_dashed_ones_imply_nothing() -> None:
    nodes = [Node(name) for name in "abcd"]
    edges = [
        Edge("a", "b"),
        Edge("b", "c"),
        Edge("a", "c", label="why"),
        Edge("c", "d", dashed=True),
        Edge("b", "d"),
    ]
    assert len(without_implied(sheet_of(Diagram(nodes, edges))).edges) == len(edges)


def test_a_sheet_too_large_to_reduce_comes_back_as_it_is() -> None:
    large = sheet([(str(i), str(i + 1)) for i in range(MAX_REDUCED)])
    assert without_implied(large) is large


def test_the_critical_path_goes_back_along_the_parents_that_ended_last() -> None:
    drawn = sheet([("a", "c"), ("b", "c"), ("c", "d"), ("x", "d")])
    ends = {"a": 3.0, "b": 5.0, "c": 8.0, "x": 2.0, "d": 9.0}
    blocked = blockers(drawn, ends)
    assert blocked == {"c": (5.0, "b"), "d": (8.0, "c")}
    assert critical_path(blocked, ends) == ["b", "c", "d"]


def test_of_any_parents_the_first_to_succeed_let_a_node_start() -> None:
    nodes = [Node("a", status="failed"), Node("b", status="done"), Node("c", status="done"), Node("d")]
    edges = [Edge(name, "d", dashed=True) for name in "abc"]
    blocked = blockers(sheet_of(Diagram(nodes, edges)), {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0})
    assert blocked == {"d": (2.0, "b")}


def test_a_path_through_groups_is_found() -> None:
    drawn = sheet([("a", "g"), ("g", "z")], [Group("g"), Group("h", parent="g")], x="h", y="g")
    ends = {"a": 1.0, "x": 4.0, "y": 3.0, "z": 5.0}
    assert critical_path(blockers(drawn, ends), ends) == ["a", "x", "z"]


def test_a_run_in_which_nothing_ended_has_no_critical_path() -> None:
    assert critical_path({}, {}) == []


def test_waits_that_go_round_in_a_circle_end_the_path() -> None:
    assert critical_path({"a": (1.0, "a")}, {"a": 1.0}) == ["a"]
    assert critical_path({"a": (2.0, "b"), "b": (1.0, "a")}, {"a": 1.0, "b": 2.0}) == ["a", "b"]
