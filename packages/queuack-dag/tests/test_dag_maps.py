"""Maps: one job per item of what a node returned, made in the record that ends the node, or in parts."""

from __future__ import annotations

from pathlib import Path

import pytest
from dag_nodes import (
    count_to,
    double,
    double_later,
    echo,
    factory,
    fails_on,
    listed,
    n_of,
    one,
    rows_of,
    scale,
)
from queuack_dag import DAG, DAGValidationError, MapError, NodeStatus
from queuack_dag import mapping as rooms
from queuack_store import DuckQueue, InvalidRequestError

ITEMS_OF = "SELECT count(*) FROM jobs WHERE node_name LIKE 'score[%'"


def mapped(queue: DuckQueue, items: object, func: object = double, **options: object) -> DAG:
    """Return a DAG that maps over what `extract` returns, with a node behind the map."""
    dag = DAG("mapped", queue, max_retries=0)
    dag.add_node(echo, "extract", args=(items,))
    dag.map(func, over="extract", name="score", **options)  # type: ignore[arg-type]
    dag.add_node(listed, "list", depends_on="score")
    return dag


def test_one_job_per_item_and_the_results_come_in_order(memory: DuckQueue) -> None:
    dag = mapped(memory, [3, 1, 2])
    assert dag.get_execution_order() == [["extract"], ["score"], ["list"]]
    assert dag.execute()
    assert dag["score"].result() == memory.get_result(dag.jobs["score"]) == [6, 2, 4]
    assert dag.results() == {"extract": [3, 1, 2], "score": [6, 2, 4], "list": [6, 2, 4]}
    items = dag.run.get_items("score")
    assert items is not None
    assert [row["name"] for row in items.get_jobs()] == ["score[0]", "score[1]", "score[2]"]
    assert items.get_status() == "done"
    assert dag.run.get_subdags() == []
    assert dag.progress["done"] == 3
    assert "subgraph" not in dag.export_mermaid()


def test_the_items_come_into_being_with_the_end_of_their_node(memory: DuckQueue) -> None:
    dag = mapped(memory, [1, 2])
    dag.submit()
    assert memory.sql(ITEMS_OF).fetchone() == (0,)
    assert dag.execute()
    born, ended = memory.sql(
        "SELECT min(created_at), any_value(e.ended) FROM jobs, (SELECT completed_at AS ended FROM jobs "
        "WHERE node_name = 'extract') e WHERE node_name LIKE 'score[%'"
    ).fetchone() or (None, None)
    assert born == ended


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_a_batch_is_one_job_and_changes_nothing_else(memory: DuckQueue, batch: int) -> None:
    dag = mapped(memory, list(range(7)), scale, batch=batch, args=(10,), kwargs={"shift": 1})
    assert dag.execute()
    assert dag["list"].result() == [10 * n + 1 for n in range(7)]
    assert memory.sql(ITEMS_OF).fetchone() == (-(-7 // batch),)


@pytest.mark.parametrize("batch", [None, 2])
def test_coroutines(memory: DuckQueue, batch: int | None) -> None:
    dag = mapped(memory, [1, 2, 3], double_later, batch=batch)
    assert dag.execute()
    assert dag["list"].result() == [2, 4, 6]


def test_no_items(memory: DuckQueue) -> None:
    dag = mapped(memory, [])
    assert dag.execute()
    assert dag["list"].result() == []
    assert dag.run.get_items("score") is None


def test_a_stream_reader(memory: DuckQueue, tmp_path: Path) -> None:
    dag = DAG("stream", memory)
    dag.add_node(rows_of, "extract", args=(str(tmp_path / "rows.jsonl"), 10))
    dag.map(n_of, over="extract", name="score", batch=4)
    assert dag.execute()
    assert dag["score"].result() == list(range(10))


def test_a_map_over_a_map_and_two_over_one(memory: DuckQueue) -> None:
    dag = DAG("twice", memory)
    dag.add_node(count_to, "extract", args=(4,))
    dag.map(double, over="extract", name="once")
    dag.map(double, over="once", name="twice", batch=3)
    dag.map(scale, over="extract", name="other", args=(5,))
    dag.add_node(echo, "late", args=(1,))
    dag.map(scale, over="twice", name="behind", args=(1,), depends_on="late")
    assert dag.execute()
    found = dag.results()
    assert (found["twice"], found["other"]) == ([0, 4, 8, 12], [0, 5, 10, 15])
    assert found["behind"] == found["twice"]


def test_inside_a_subdag(memory: DuckQueue) -> None:
    dag = DAG("outer", memory)
    dag.add_subdag(mapped(memory, [1, 2]), "inner")
    dag.add_subdag(factory, "other", depends_on="inner")
    assert dag.execute()
    assert dag["inner"].result() == {"list": [2, 4]}


def test_under_json_ref_with_allowed_modules() -> None:
    with DuckQueue(":memory:", serialization="json_ref", allowed_modules=["dag_nodes"]) as queue:
        dag = mapped(queue, [1, 2, 3], scale, batch=2, args=(3,))
        assert dag.execute(), dag.get_jobs()
        assert dag["list"].result() == [3, 6, 9]


def test_a_failed_item_fails_the_map_and_resume_runs_only_what_failed(memory: DuckQueue) -> None:
    dag = mapped(memory, [0, 1, 2], fails_on, args=(1,))
    assert dag.execute() is False
    assert (dag["score"].status, dag["list"].status) == (NodeStatus.FAILED, NodeStatus.SKIPPED)
    assert dag["score"].skip_reason == "parent 'score[1]' failed"
    items = dag.run.get_items("score")
    assert items is not None
    before = items["score[0]"].completed_at
    assert dag.resume() == 3  # the item, the map, and what is behind it
    assert dag.execute() is False
    assert items["score[0]"].completed_at == before
    assert items["score[1]"].attempts == 2
    assert dag.retry("score") == 2


def test_min_success(memory: DuckQueue) -> None:
    enough = mapped(memory, list(range(20)), fails_on, args=(7,), min_success=0.95)
    # The run has failed, for a job of it did; what is behind the map has its results all the same.
    assert enough.execute() is False
    assert enough["list"].result() == [n for n in range(20) if n != 7]
    assert (enough.status, enough["score"].status) == ("failed", "done")
    too_few = mapped(memory, list(range(20)), fails_on, args=(7,), min_success=0.96)
    assert too_few.execute() is False
    assert "19 of the 20" in str(too_few["score"].error)
    assert too_few["list"].status == "skipped"
    failed = DAG("source", memory, max_retries=0)
    failed.add_node(fails_on, "extract", args=(1, 1))
    failed.map(double, over="extract", name="score", min_success=0.5)
    assert failed.execute() is False
    assert failed["score"].skip_reason == "parent 'extract' failed"


@pytest.mark.parametrize(
    ("value", "what"), [(7, "returned 7"), ("rows.csv", "StreamReader"), ({"a": 1}, "list")]
)
def test_what_is_no_list_fails_the_node_that_returned_it(memory: DuckQueue, value: object, what: str) -> None:
    dag = mapped(memory, value)
    assert dag.execute() is False
    assert MapError.__name__ in str(dag["extract"].error)
    assert what in str(dag["extract"].error)


def test_what_can_not_be_a_map(memory: DuckQueue) -> None:
    dag = DAG("refused", memory)
    outside = memory.enqueue(one)
    dag.add_node(one, "extract")
    for wrong in ({"over": outside}, {"over": "extract", "batch": 0}, {"over": "extract", "min_success": 2}):
        with pytest.raises(InvalidRequestError):
            dag.map(double, name="score", **wrong)  # type: ignore[arg-type]
    with pytest.raises(DAGValidationError, match="'nobody'"):
        dag.map(double, over="nobody")


def test_cancelled_while_its_node_runs_it_makes_no_items(memory: DuckQueue) -> None:
    dag = mapped(memory, [1, 2])
    dag.submit()
    held = memory.claim()
    assert held is not None
    dag.cancel()
    memory.ack(held, result=[1, 2])
    assert dag.status == "cancelled"
    assert memory.sql(ITEMS_OF).fetchone() == (0,)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a map of more than 100 items come in parts of 30."""
    monkeypatch.setattr(rooms, "MAX_ITEMS_AT_ONCE", 102)
    monkeypatch.setattr(rooms, "PART_ITEMS", 30)


@pytest.mark.usefixtures("small_parts")
def test_what_is_too_much_for_one_record_comes_in_parts_and_in_order(
    memory: DuckQueue, tmp_path: Path
) -> None:
    dag = DAG("parts", memory)
    dag.add_node(rows_of, "extract", args=(str(tmp_path / "rows.jsonl"), 205))
    dag.map(n_of, over="extract", name="score")
    dag.add_node(listed, "list", depends_on="score")
    assert dag.execute()
    assert dag["list"].result() == list(range(205))
    first, last = memory.sql(
        "SELECT min(started_at) FILTER (node_name IS NOT NULL), max(created_at) FROM jobs "
        "WHERE dag_run_id IN (SELECT id FROM dag_runs WHERE parent_id IS NOT NULL)"
    ).fetchone() or (None, None)
    assert first >= last  # none ran before all were there


@pytest.mark.usefixtures("small_parts")
def test_a_map_in_parts_goes_on_where_it_was(memory: DuckQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    from queuack_worker import TaskContext

    grow, calls = TaskContext.grow, []

    def flaky(self: TaskContext, growth: object) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("cut off")
        grow(self, growth)  # type: ignore[arg-type]

    monkeypatch.setattr(TaskContext, "grow", flaky)
    dag = DAG("parts", memory, max_retries=2, retry_delay=0)
    dag.add_node(count_to, "extract", args=(150,))
    dag.map(double, over="extract", name="score")
    assert dag.execute()
    assert dag["score"].result() == [2 * n for n in range(150)]
    assert len(calls) == 6
