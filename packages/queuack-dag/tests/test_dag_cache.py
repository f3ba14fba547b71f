"""Incremental runs: what is unchanged is not run again, and a plan says so beforehand."""

from __future__ import annotations

import importlib
import random
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dag_nodes import RAN
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from queuack_dag import DAG, fingerprint, mapping
from queuack_store import DuckQueue, InvalidRequestError

SOURCE = """
from queuack_worker import TaskContext
import dag_nodes

LIMIT = {limit}

def clean(value):
    return value + {helper}

def node(name, value, context: TaskContext = None):
    # {comment}
    dag_nodes.RAN.append(name)
    parents = context.get_parent_results() if context else []
    return [clean(value) * {code} % LIMIT, *(p[0] for p in parents)]

def item(value, extra=0):
    dag_nodes.RAN.append(f"item {{value}}")
    return clean(value) * {item} + extra

def source(items):
    dag_nodes.RAN.append("source")
    return list(items)
"""


def module(code: int = 1, helper: int = 0, limit: int = 1_000, comment: str = "", item: int = 1) -> Any:
    """Make the module `edited` anew, as an editor and a restart would."""
    made = types.ModuleType("edited")
    text = SOURCE.format(code=code, helper=helper, limit=limit, comment=comment, item=item)
    exec(compile(text, "edited.py", "exec"), made.__dict__)
    sys.modules["edited"] = made
    return made


@pytest.fixture(autouse=True)
def nothing_ran() -> Iterator[None]:
    RAN.clear()
    yield
    sys.modules.pop("edited", None)


def chain(queue: DuckQueue, edited: Any, value: int = 1, **options: Any) -> DAG:
    dag = DAG("chain", queue, max_retries=0)
    dag.add_node(edited.node, "first", args=("first", value), cache=True, **options)
    dag.add_node(edited.node, "second", args=("second", 5), depends_on="first", cache=True)
    return dag


def ran(dag: DAG, **how: Any) -> list[str]:
    """Return what a run of the DAG ran, after checking that the plan said so."""
    plan = {one.name: one for one in dag.plan(**how)}
    RAN.clear()
    dag.submit(**how)
    assert dag.execute(), dag.get_jobs()
    for name in {name.partition(" ")[0] for name in RAN} & plan.keys():
        assert plan[name].action == "runs", (name, plan)
    return list(RAN)


def why(dag: DAG, **how: Any) -> dict[str, str]:
    return {one.name: one.why for one in dag.plan(**how) if one.action == "runs"}


def test_what_is_unchanged_is_not_run_again(memory: DuckQueue) -> None:
    first = chain(memory, module())
    assert why(first) == {
        "first": "no earlier run has computed it",
        "second": "parent 'first' runs: decided when that has ended",
    }
    assert ran(first) == ["first", "second"]
    second = chain(memory, module(comment="an edit that changes nothing"))
    assert [(one.action, one.run_id) for one in second.plan()] == [("cached", first.dag_run_id)] * 2
    assert ran(second) == []
    assert second.results() == first.results()
    third = chain(memory, module())
    assert [one.run_id for one in third.plan()] == [first.dag_run_id] * 2  # who computed it, not who took it


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ({"helper": 1}, "helper 'clean' changed"),
        ({"code": 2}, "its code changed"),
        ({"limit": 999}, "constant 'LIMIT' changed"),
    ],
)
def test_an_edit_is_named_and_runs_what_it_touches(
    memory: DuckQueue, edit: dict[str, int], reason: str
) -> None:
    ran(chain(memory, module()))
    edited = chain(memory, module(**edit))
    assert why(edited)["first"] == reason
    assert ran(edited) == ["first", "second"]
    assert ran(chain(memory, module())) == []


def test_a_parent_that_returns_the_same_stops_the_change(memory: DuckQueue) -> None:
    ran(chain(memory, module(), value=1))
    # 1,001 % 1,000 is 1 again: the second node has what it had.
    assert ran(chain(memory, module(), value=1_001)) == ["first"]
    other = chain(memory, module(), value=2)
    assert why(other)["first"] == "its arguments changed"
    assert ran(other) == ["first", "second"]


def test_refresh_and_ttl(memory: DuckQueue) -> None:
    ran(chain(memory, module()))
    assert why(chain(memory, module()), refresh="first")["first"] == "a refresh was asked for"
    assert ran(chain(memory, module()), refresh="first") == ["first"]
    assert ran(chain(memory, module()), refresh=True) == ["first", "second"]
    short = chain(memory, module(), ttl=1e-6)
    assert "older than its ttl" in why(short)["first"]
    assert ran(short) == ["first"]
    assert ran(chain(memory, module(), ttl=3_600)) == []
    with pytest.raises(InvalidRequestError, match="cache=True"):
        DAG("x", memory).add_node(len, ttl=3.0)
    with pytest.raises(InvalidRequestError, match="all its parents"):
        DAG("x", memory).add_node(len, cache=True, always=True)
    with pytest.raises(LookupError, match="'nobody'"):
        chain(memory, module()).submit(refresh=["nobody"])


def test_a_failure_is_not_kept_and_a_purge_forgets(memory: DuckQueue) -> None:
    for _ in range(2):
        dag = DAG("fails", memory, max_retries=0)
        dag.add_node(fails, "bad", cache=True)
        assert dag.execute() is False
    ran(chain(memory, module()))
    memory.purge(older_than_hours=0)
    assert ran(chain(memory, module())) == ["first", "second"]


def fails() -> None:
    raise ValueError("no")


def test_parameters_count_where_a_node_can_see_them(memory: DuckQueue) -> None:
    for param, expected in ((1, ["first", "second"]), (1, []), (2, ["first", "second"])):
        dag = chain(memory, module())
        assert ran(dag, params={"anything": param}) == expected


def mapped(queue: DuckQueue, edited: Any, items: list[int], **options: Any) -> DAG:
    dag = DAG("mapped", queue, max_retries=0)
    dag.add_node(edited.source, "source", args=(items,), cache=True)
    dag.map(edited.item, over="source", name="item", cache=True, **options)
    return dag


@pytest.mark.parametrize("serialization", ["pickle", "json_ref"])
def test_items_of_a_map(serialization: str) -> None:
    with DuckQueue(":memory:", serialization=serialization) as queue:
        assert ran(mapped(queue, module(), [1, 2, 3])) == ["source", "item 1", "item 2", "item 3"]
        same = mapped(queue, module(), [1, 2, 3])
        assert [one.action for one in same.plan()] == ["cached", "cached"]
        assert ran(same) == []
        assert same["item"].result() == [1, 2, 3]
        more = mapped(queue, module(), [4, 3, 2])
        assert ran(more) == ["source", "item 4"]
        assert more["item"].result() == [4, 3, 2]
        edited = mapped(queue, module(helper=1), [4, 3, 2])
        assert why(edited)["item"] == "3 of its 3 jobs run: helper 'clean' changed"
        assert sorted(ran(edited)) == ["item 2", "item 3", "item 4"]
        assert edited["item"].result() == [5, 4, 3]


@pytest.mark.parametrize("batch", [None, 2])
def test_what_items_also_wait_for_counts_and_parts_do_not(
    memory: DuckQueue, monkeypatch: pytest.MonkeyPatch, batch: int | None
) -> None:
    def waiting(late: int, items: list[int]) -> DAG:
        dag = DAG("waiting", memory, max_retries=0)
        edited = module()
        dag.add_node(edited.source, "source", args=(items,), cache=True)
        dag.add_node(edited.node, "late", args=("late", late), cache=True)
        dag.map(edited.item, "source", "item", batch, depends_on="late", cache=True)
        return dag

    monkeypatch.setattr(mapping, "MAX_ITEMS_AT_ONCE", 6)  # what is more comes in parts
    monkeypatch.setattr(mapping, "PART_ITEMS", 3)
    items = [*range(20)]
    assert len(ran(waiting(1, items))) == 22
    same = waiting(1, items)
    assert [one.action for one in same.plan()] == ["cached"] * 3
    assert ran(same) == []
    assert same["item"].result() == items
    assert sorted(ran(waiting(1, [*items, 20, 21]))) == ["item 20", "item 21", "source"]
    other = waiting(2, items)
    assert len(ran(other)) == 21
    again = waiting(1_002, items)  # late returns the same
    assert why(again)["item"] == "parent 'late' runs: decided when that has ended"
    assert ran(again) == ["late"]


def test_batches_are_cached_as_batches(memory: DuckQueue) -> None:
    ran(mapped(memory, module(), [1, 2, 3, 4], batch=2))
    assert ran(mapped(memory, module(), [1, 2, 3, 5], batch=2)) == ["source", "item 3", "item 5"]


def test_a_worker_with_other_code_keeps_nothing(memory: DuckQueue) -> None:
    dag = chain(memory, module())
    dag.submit()
    module(code=3)  # the worker has imported something else than what was submitted
    assert dag.execute()
    assert ran(chain(memory, module())) == ["first", "second"]


def test_equal_values_have_equal_fingerprints() -> None:
    text = str(b"ab", "ascii")  # another object
    pairs: list[tuple[object, object]] = [
        (["ab", "ab"], ["ab", text]),
        ({"a": 1, "b": {2, 3}}, {"b": {3, 2}, "a": 1}),
        ((1, 2.0, None, b"x"), (1, 2.0, None, b"x")),
    ]
    for left, right in pairs:
        assert fingerprint.of_value(left) == fingerprint.of_value(right)
    different = [1, 1.0, True, "1", b"1", [1], (1,), {1}, {1: 1}, None, [[], [1]], [[1], []]]
    assert len({fingerprint.of_value(one) for one in different}) == len(different)


PACKAGE = {
    "__init__": "",
    "helpers": "def clean(value): return value + {helper}",
    "nodes": """
import housed.helpers

class Model:
    def __init__(self, factor): self.factor = factor
    def fit(self, value): return value * self.factor

class Slotted:
    __slots__ = ("factor",)
    def __init__(self, factor): self.factor = factor
    def __call__(self, value): return value * self.factor

def cleaned(value): return housed.helpers.clean(value)
""",
}


def housed(folder: Path, monkeypatch: pytest.MonkeyPatch, helper: int) -> Any:
    """Import the package `housed` anew."""
    for name, text in PACKAGE.items():
        (folder / "housed").mkdir(exist_ok=True)
        (folder / "housed" / f"{name}.py").write_text(text.replace("{helper}", str(helper)))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in [name for name in sys.modules if name.partition(".")[0] == "housed"]:
        monkeypatch.delitem(sys.modules, name)
    return importlib.import_module("housed.nodes")


def test_the_state_of_a_methods_object_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = housed(tmp_path, monkeypatch, 0)
    for make in (lambda n: nodes.Model(n).fit, nodes.Slotted, lambda n: str(n).upper):
        first, same, other = (fingerprint.of_code(make(n)) for n in (1, 1, 2))
        assert first == same != other
    code = [fingerprint.of_code(nodes.Model(n).fit) for n in (1, 2)]
    assert fingerprint.changes(*code) == ["its object's state changed"]


def test_a_helper_in_another_module_of_the_package_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = [fingerprint.of_code(housed(tmp_path, monkeypatch, n).cleaned) for n in (0, 1)]
    assert fingerprint.changes(*code) == ["helper 'clean' changed"]


edits = st.fixed_dictionaries(
    {
        "code": st.integers(1, 2),
        "helper": st.integers(0, 1),
        "first": st.integers(1, 2),
        "items": st.lists(st.integers(1, 4), max_size=4, unique=True),
        "extra": st.integers(0, 1),
        "item": st.integers(1, 2),
        "late": st.integers(0, 2),  # what the items also wait for; 0: for nothing
    }
)


def mapped_to(e: dict[str, Any]) -> list[int]:
    return [(value + e["helper"]) * e["item"] + e["extra"] for value in e["items"]]


class Model:
    """What an ideal cache would run: a node of which nobody has seen these code, arguments and parents."""

    def __init__(self) -> None:
        self.seen: dict[tuple[Any, ...], Any] = {}
        self.ran: list[str] = []

    def node(self, name: str, key: tuple[Any, ...], result: Any) -> Any:
        if (name, key) not in self.seen:
            self.ran.append(name)
            self.seen[name, key] = result
        return self.seen[name, key]

    def run(self, e: dict[str, Any]) -> list[str]:
        self.ran = []
        code = (e["code"], e["helper"])
        first = self.node("first", (code, e["first"]), (e["first"] + e["helper"]) * e["code"] % 1_000)
        items = self.node("source", (tuple(e["items"]),), e["items"])
        late = e["late"] and self.node("late", (code, e["late"]), (e["late"] + e["helper"]) * e["code"])
        for value in items:
            self.node(f"item {value}", (e["helper"], e["item"], value, e["extra"], late), None)
        joined = tuple(mapped_to(e))
        self.node("last", (code, first, joined), None)
        return sorted(self.ran)


def everything(queue: DuckQueue, e: dict[str, Any]) -> DAG:
    edited = module(e["code"], e["helper"], comment=str(random.random()), item=e["item"])
    dag = DAG("everything", queue, max_retries=0, validate=False)
    dag.add_node(edited.node, "first", args=("first", e["first"]), cache=True)
    dag.add_node(edited.source, "source", args=(e["items"],), cache=True)
    late = dag.add_node(edited.node, "late", args=("late", e["late"]), cache=True) if e["late"] else None
    more = {"extra": e["extra"]} if e["extra"] else None
    dag.map(edited.item, "source", "item", kwargs=more, depends_on=late, cache=True)
    exec(LAST, edited.__dict__)
    dag.add_node(edited.last, "last", depends_on=["first", "item"], cache=True)
    return dag


LAST = """
def last(context: TaskContext):
    dag_nodes.RAN.append("last")
    return node("", 1) and context.upstream_all()
"""


stories = st.lists(edits, min_size=2, max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(story=stories)
def test_the_cache_runs_exactly_what_a_model_would(story: list[dict[str, Any]]) -> None:
    run_and_compare(story)


@pytest.mark.prove
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(story=stories)
def test_the_cache_runs_exactly_what_a_model_would_in_many_stories(story: list[dict[str, Any]]) -> None:
    run_and_compare(story)


def run_and_compare(story: list[dict[str, Any]]) -> None:
    model = Model()
    with DuckQueue(":memory:") as queue:
        for edit in story:
            expected = model.run(edit)
            dag = everything(queue, edit)
            found = sorted(name for name in ran(dag) if name)
            assert found == expected
            result = dag["last"].result()
            assert result["item"] == mapped_to(edit)
            assert result["first"] == [(edit["first"] + edit["helper"]) * edit["code"] % 1_000]
