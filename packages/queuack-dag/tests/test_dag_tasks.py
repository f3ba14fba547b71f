"""Plain functions as tasks: calls draw the edges, types are kept, parameters of a run reach the functions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dag_nodes import echo, one, scale
from queuack_dag import DAG, DAGValidationError
from queuack_store import DuckQueue, InvalidRequestError, PayloadError
from queuack_worker import TaskContext


def numbers(count: int) -> list[int]:
    return list(range(count))


def add(left: int, right: int = 0) -> int:
    return left + right


def plus(pair: dict[str, list[int]], more: tuple[int, ...]) -> int:
    return sum(pair["these"]) + sum(more)


def test_calls_draw_the_edges(memory: DuckQueue) -> None:
    dag = DAG("tasks", memory)
    count, up, both = dag.task(numbers), dag.task(add), dag.task(name="both")(plus)
    assert up.func is add
    found = count(4)
    first = up(3, right=4)
    second = up(first)
    both({"these": found}, (first, second))
    assert dag.get_ancestors("both") == {"numbers", "add", "add_2"}
    assert dag.execute()
    assert dag.results() == {"numbers": [0, 1, 2, 3], "add": 7, "add_2": 7, "both": 20}


def test_maps_options_and_nodes_beside_them(memory: DuckQueue) -> None:
    dag = DAG("tasks", memory)
    count = dag.task(max_attempts=7)(numbers)
    scaled = dag.task(scale)
    found = count(3)
    twice = scaled.map(found, args=(2,), name="twice", batch=2)
    last = dag.add_node(echo, "last", args=([twice, {"also": found}],))
    dag.add_node(one, "behind", depends_on=dag.output_of(last))
    scaled.with_options(name="own", priority=3)(5, 6)
    assert dag.execute()
    assert dag["last"].result() == [[0, 2, 4], {"also": [0, 1, 2]}]
    assert (dag["numbers"].max_attempts, dag["own"].priority, dag["own"].result()) == (7, 3, 30)
    with pytest.raises(InvalidRequestError, match="maps over what another task"):
        scaled.map([1, 2])


@pytest.mark.parametrize("options", [{}, {"batch": 2}, {"cache": True}, {"batch": 2, "cache": True}])
def test_the_items_of_a_map_take_outputs_too(memory: DuckQueue, options: dict[str, Any]) -> None:
    for factor, expected in ((10, [0, 10, 20]), (3, [0, 3, 6]), (10, [0, 10, 20])):
        dag = DAG("tasks", memory)
        count, late, scaled = dag.task(numbers), dag.task(echo), dag.task(scale)
        scaled.map(count(3), args=(late(factor),), name="scaled", **options)
        assert dag.execute()
        assert dag["scaled"].result() == expected


def test_the_whole_beside_each_of_its_items_is_refused(memory: DuckQueue) -> None:
    dag = DAG("tasks", memory)
    found = dag.task(numbers)(3)
    with pytest.raises(InvalidRequestError, match="'numbers' returns one by one"):
        dag.task(plus).map(found, args=([found],))


def test_an_output_is_of_its_dag_and_known_only_later(memory: DuckQueue) -> None:
    dag, other = DAG("tasks", memory), DAG("other", memory)
    found = dag.task(numbers)(3)
    with pytest.raises(DAGValidationError, match="another DAG"):
        other.task(numbers)(found)  # type: ignore[arg-type]
    with pytest.raises(PayloadError, match="when the DAG has run"):
        memory.enqueue(echo, (found,))
    with pytest.raises(DAGValidationError, match="'nobody'"):
        dag.output_of("nobody")


SCRIPT = """
import sys
from queuack_dag import DAG
from queuack_store import DuckQueue

dag = DAG("script", DuckQueue(sys.argv[1]))

@dag.task
def extract(count: int) -> list[int]:
    return list(range(count))

@dag.task
def double(item: int) -> int:
    return 2 * item

@dag.task
def total(items: list[int]) -> int:
    return sum(items) + double(1)  # in a job a task is its function

total(double.map(extract(4)))

if __name__ == "__main__":
    with dag.queue:
        print(dag.execute(processes=int(sys.argv[2])), dag["total"].result())
"""


@pytest.mark.parametrize("processes", ["0", "1"])
def test_tasks_of_a_script(tmp_path: Path, processes: str) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(path), str(tmp_path / "jobs.db"), processes],
        env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "True 14", done.stderr


TYPED = """
from queuack_dag import DAG

dag = DAG("typed")

@dag.task
def extract(count: int) -> list[int]:
    return list(range(count))

@dag.task(cache=True)
def total(items: list[int], name: str = "") -> float:
    return float(sum(items))

@dag.task
def double(item: int) -> int:
    return 2 * item

reveal_type(extract(3))
reveal_type(double.map(extract(3)))
total(extract(3), name="x")
total(double.map(extract(3)))
extract("three")
total(double(3))
total(extract(3), nome="x")
"""


def test_types_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "typed.py"
    path.write_text(TYPED)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(path)],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    lines = [line.partition(": ")[2] for line in done.stdout.splitlines()]
    assert lines[:2] == [
        'note: Revealed type is "list[int]"',
        'note: Revealed type is "list[int]"',
    ] or [line.replace("builtins.", "") for line in lines[:2]] == [
        'note: Revealed type is "list[int]"',
        'note: Revealed type is "list[int]"',
    ], done.stdout
    errors = [line for line in lines if line.startswith("error")]
    assert ["arg-type" in error or "call-arg" in error for error in errors] == [True] * 3, done.stdout


def greet(greeting: str, name: str = "you", context: TaskContext | None = None) -> str:
    assert context is not None
    return f"{greeting} {name} {sorted(context.params)}"


def test_params_go_to_the_functions_that_have_them(memory: DuckQueue) -> None:
    inner = DAG("inner", memory)
    inner.add_node(greet, "inside", args=("bye",))
    dag = DAG("params", memory)
    dag.add_node(greet, "own", kwargs={"name": "me"})
    dag.add_node(numbers, "numbers", args=(2,))
    dag.map(scale, over="numbers", name="scaled")
    dag.add_subdag(inner, "inner")
    with pytest.warns(UserWarning, match="3 parts"):
        dag.submit(params={"greeting": "hello", "name": "world", "factor": 10})
    assert dag.execute()
    assert dag["own"].result() == "hello me ['factor', 'greeting', 'name']"
    assert dag["scaled"].result() == [0, 10]
    assert dag["inner"].result() == {"inside": "bye world ['factor', 'greeting', 'name']"}
    assert dag.run.params == {"greeting": "hello", "name": "world", "factor": 10}


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"count": "three"}, "takes 'count' as int"),
        ({"count": True}, "takes 'count' as int"),
        ({}, "lacks 'count'"),
        ({"count": 1, "cuont": 2}, "'cuont'"),
    ],
)
def test_params_that_do_not_fit_are_refused(memory: DuckQueue, params: dict[str, object], match: str) -> None:
    dag = DAG("params", memory)
    dag.add_node(numbers, "numbers")
    with pytest.raises(DAGValidationError, match=match):
        dag.submit(params=params)
    assert memory.stats()["pending"] == 0


@pytest.mark.parametrize("params", ["count", [("count", 1)], {1: 2}])
def test_params_are_values_by_name(memory: DuckQueue, params: Any) -> None:
    dag = DAG("params", memory)
    dag.add_node(numbers, "numbers")
    with pytest.raises(InvalidRequestError, match="map parameter names to values"):
        dag.submit(params=params)


def test_params_under_json_ref() -> None:
    with DuckQueue(":memory:", serialization="json_ref") as queue:
        dag = DAG("params", queue)
        dag.add_node(numbers, "numbers")
        dag.submit(params={"count": 2})
        assert dag.execute()
        assert dag.results() == {"numbers": [0, 1]}
