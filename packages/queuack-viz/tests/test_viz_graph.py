"""The plain data: what is taken, what is refused, and how the refusal reads."""

from __future__ import annotations

import pickle
from enum import StrEnum

import pytest
from queuack_viz import Diagram, DiagramError, Edge, Group, Node


class Status(StrEnum):
    DONE = "done"


def test_any_iterables_become_tuples() -> None:
    diagram = Diagram((Node(name) for name in "ab"), iter([Edge("a", "b")]), [Group("g")], title="T")
    assert diagram.nodes == (Node("a"), Node("b"))
    assert diagram.edges == (Edge("a", "b"),)
    assert diagram.groups == (Group("g"),)


def test_a_str_enum_is_a_status() -> None:
    assert type(Node("a", status=Status.DONE).status) is str
    assert Group("g", status=Status.DONE).status == "done"


def test_the_duration_is_what_the_times_tell_unless_given() -> None:
    assert Node("a", started_at=10.0, ended_at=12.5).seconds == 2.5
    assert Node("a", started_at=10.0, ended_at=12.5, duration_seconds=1.0).seconds == 1.0
    assert Node("a", started_at=10.0, ended_at=9.0).seconds == 0.0
    assert Node("a", started_at=10.0).seconds is None


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: Node("a", status="great"), "node 'a' has the unknown status 'great'"),
        (lambda: Group("g", status="great"), "group 'g' has the unknown status 'great'"),
        (lambda: Node("a", started_at=float("nan")), "node 'a' has started_at=nan"),
        (lambda: Group("g", duration_seconds=float("inf")), "group 'g' has duration_seconds=inf"),
        (lambda: Diagram([Node("a"), Node("a")]), "the id 'a' occurs twice"),
        (lambda: Diagram([Node("a")], groups=[Group("a")]), "the id 'a' occurs twice"),
        (lambda: Diagram([Node("a", group="g")]), "node 'a' names the unknown group 'g'"),
        (lambda: Diagram([Node("a")], [Edge("a", "b")]), "the edge 'a' → 'b' names the unknown id 'b'"),
        (lambda: Diagram([], groups=[Group("g", parent="h")]), "group 'g' names the unknown parent 'h'"),
        (
            lambda: Diagram([], groups=[Group("g", parent="h"), Group("h", parent="g")]),
            "group 'g' holds itself (g → h → g)",
        ),
    ],
)
def test_what_is_refused_is_named(build: object, says: str) -> None:
    with pytest.raises(DiagramError) as refused:
        build()  # type: ignore[operator]
    assert str(refused.value).startswith(says)
    assert "; " in str(refused.value)


def test_the_error_carries_its_facts_and_survives_pickling() -> None:
    error = DiagramError("node 'a'", "is odd", "make it even")
    again = pickle.loads(pickle.dumps(error))
    assert (again.what, again.problem, again.hint) == ("node 'a'", "is odd", "make it even")
    assert isinstance(again, ValueError)
