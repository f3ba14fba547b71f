"""Random DAGs against the reference scheduler: the same final states, and nobody starts too early."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest
from dag_reference import Spec, check_history, final_states
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from queuack_dag import DAG
from queuack_dag.graph import longest_first
from queuack_store import DuckQueue

MODES = ("all", "all", "all", "any", "always")


def random_specs(seed: int, most: int) -> dict[str, Spec]:
    """Return a random DAG; a node's parents are among the 20 before it."""
    draw = random.Random(seed)
    specs: dict[str, Spec] = {}
    for i in range(draw.randint(2, most)):
        before = list(specs)[-20:]
        parents = tuple(draw.sample(before, draw.randint(0, min(4, len(before)))))
        mode = draw.choice(MODES) if parents else "all"
        specs[f"n{i}"] = Spec(parents, mode, draw.random() < 0.15)
    return specs


def fan_specs(width: int, fails: bool) -> dict[str, Spec]:
    """Return a node with `width` children, and one behind them all."""
    specs = {"n0": Spec((), "all", fails)}
    specs |= {f"n{i}": Spec(("n0",), "all", i % 100 == 7) for i in range(1, width + 1)}
    return specs | {"last": Spec(tuple(f"n{i}" for i in range(1, width + 1)), "always", False)}


def in_threads(history: list[str], lock: threading.Lock) -> Callable[[str, bool], str]:
    def body(name: str, fails: bool) -> str:
        with lock:
            history.append(f"start {name}")
        with lock:
            history.append(f"{'fail' if fails else 'end'} {name}")
        if fails:
            raise ValueError(name)
        return name

    return body


def run_and_check(queue: DuckQueue, specs: dict[str, Spec]) -> None:
    history: list[str] = []
    # By closure: in worker threads of this process the live function runs, and shares the list.
    _live.body = in_threads(history, threading.Lock())
    dag = DAG("random", queue, validate=False, max_retries=0)
    for name, spec in specs.items():
        dag.add_node(
            call_live, name, args=(name, spec.fails), depends_on=spec.parents, dependency_mode=spec.mode
        )
    ok = dag.execute()
    expected = final_states(specs)
    assert {row["name"]: row["status"].value for row in dag.get_jobs()} == expected
    assert ok == ("failed" not in expected.values())
    assert dag.results() == {name: name for name, state in expected.items() if state == "done"}
    check_history(specs, history)


class _Live:
    body: Callable[[str, bool], str]


_live = _Live()


def call_live(name: str, fails: bool) -> str:
    return _live.body(name, fails)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_random_dags_end_as_the_reference_says(seed: int) -> None:
    with DuckQueue(":memory:") as queue:
        run_and_check(queue, random_specs(seed, 200))


def test_random_dags_through_an_owner_process(shared: DuckQueue) -> None:
    for seed in range(5):
        run_and_check(shared, random_specs(seed, 100))


@pytest.mark.parametrize("fails", [False, True])
def test_a_fan_out_of_a_thousand(memory: DuckQueue, fails: bool) -> None:
    run_and_check(memory, fan_specs(1_000, fails))


@pytest.mark.prove
@settings(max_examples=2_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_many_random_dags_end_as_the_reference_says(seed: int) -> None:
    with DuckQueue(":memory:") as queue:
        run_and_check(queue, random_specs(seed, 200))


@given(st.data())
def test_critical_path_order(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 30))
    parents = [
        sorted(data.draw(st.sets(st.integers(0, i - 1), max_size=4))) if i else [] for i in range(count)
    ]
    order = longest_first(parents)
    place = {node: index for index, node in enumerate(order)}
    assert sorted(order) == list(range(count))
    assert all(place[p] < place[node] for node in range(count) for p in parents[node])

    def ahead(node: int) -> int:
        return max((1 + ahead(child) for child in range(count) if node in parents[child]), default=0)

    lengths = [ahead(node) for node in order]
    assert lengths == sorted(lengths, reverse=True)
