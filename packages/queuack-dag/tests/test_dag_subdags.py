"""Sub-DAGs: unfolded into the same engine, with runs, statuses and results of their own."""

from __future__ import annotations

import sys

import pytest
from dag_nodes import echo, factory, fail, nested, one, total
from queuack_dag import DAG, DAGRun, DAGValidationError, NodeStatus
from queuack_dag.subdags import is_factory
from queuack_store import DuckQueue, InvalidRequestError, JobFailedError
from queuack_worker import WorkerPool


def test_a_subdag_runs_between_its_parents_and_children(memory: DuckQueue) -> None:
    dag = DAG("outer", memory)
    dag.add_node(echo, "before", args=(1,))
    job = dag.add_subdag(factory, "inner", depends_on="before")
    dag.add_node(total, "after", depends_on=["before", "inner"])
    assert dag.get_execution_order() == [["before"], ["inner"], ["after"]]
    assert dag.execute()
    assert dag["inner"].result() == memory.get_result(job) == {"left": 5, "right": 7}
    assert dag.results() == {"before": 1, "inner": {"left": 5, "right": 7}, "after": 13}
    (child,) = dag.run.get_subdags()
    assert child.results() == {"first": 5, "left": 5, "right": 7}
    assert child.get_status() == "done"
    parent = child.get_parent_job()
    assert parent is not None
    assert parent.id == job
    tree = dag.run.get_hierarchy()
    assert tree["subdags"][0]["parent_job"] == job
    order = sorted(
        [*dag.get_jobs(), *child.get_jobs()], key=lambda row: (row["started_at"], row["completed_at"])
    )
    assert [row["name"] for row in order][:2] == ["before", "first"]


def test_the_ways_to_say_it(memory: DuckQueue) -> None:
    dag = DAG("outer", memory, validate=False)
    dag.add_node(factory, "annotated")
    dag.add_node(lambda queue: factory(queue), "kind", kind="subdag")
    inner = DAG("instance", memory)
    inner.add_node(one, "a")
    dag.add_node(inner, "instance")
    dag.add_subdag(inner, "again")
    assert dag.execute()
    assert len(dag.run.get_subdags()) == 4
    assert dag.results()["again"] == {"a": 1}
    for wrong in (42, lambda queue: None):
        with pytest.raises(InvalidRequestError):
            DAG("x", memory).add_subdag(wrong, "wrong")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="takes no args"):
        DAG("x", memory).add_node(factory, args=(1,))


def test_nested_to_any_depth(memory: DuckQueue) -> None:
    dag = DAG("outer", memory)
    dag.add_subdag(nested, "middle")
    dag.add_node(total, "sum", depends_on="middle")
    assert dag.execute()
    assert dag.results() == {"middle": {"sum": 12}, "sum": 12}
    middle = dag.run.get_subdags()[0]
    assert middle.results()["deep"] == {"left": 5, "right": 7}
    assert middle.get_subdags()[0].name == "inner"
    text = dag.export_mermaid()
    assert text.count("subgraph") == 2


def test_a_subdag_whose_result_is_a_subdags(memory: DuckQueue) -> None:
    inner = DAG("middle", memory)
    inner.add_subdag(factory, "deep")
    dag = DAG("outer", memory)
    dag.add_subdag(inner, "middle")
    dag.add_node(total, "sum", depends_on="middle")
    assert dag.execute()
    assert dag.results() == {"middle": {"deep": {"left": 5, "right": 7}}, "sum": 12}


def test_eight_subdags_on_one_worker_do_not_deadlock(shared: DuckQueue) -> None:
    dag = DAG("eight", shared, validate=False)
    for i in range(8):
        dag.add_subdag(nested, f"sub{i}")
    dag.add_node(total, "sum", depends_on=[f"sub{i}" for i in range(8)])
    dag.submit()
    with WorkerPool(shared, num_workers=1):
        assert dag.wait_for_completion(60)
    assert dag.results()["sum"] == 96


def test_manual_claims_get_through_a_subdag(memory: DuckQueue) -> None:
    dag = DAG("by_hand", memory)
    inner = DAG("inner", memory)
    inner.add_node(one, "a")
    dag.add_subdag(inner, "sub")
    dag.add_node(one, "b", depends_on="sub")
    dag.submit()
    while (job := memory.claim()) is not None:
        memory.ack(job.id, result=job.execute())
    assert dag.is_complete()
    assert dag.results() == {"sub": {"a": 1}, "b": 1}


def test_a_failure_inside_fails_the_node_and_skips_what_follows(memory: DuckQueue) -> None:
    inner = DAG("inner", memory, max_retries=0)
    inner.add_node(fail, "bad")
    inner.add_node(one, "never", depends_on="bad")
    dag = DAG("outer", memory)
    dag.add_subdag(inner, "sub")
    dag.add_node(one, "after", depends_on="sub")
    dag.add_subdag(factory, "later", depends_on="after")
    assert dag.execute() is False
    states = {row["name"]: row["status"] for row in dag.get_jobs()}
    assert states == {"sub": NodeStatus.FAILED, "after": NodeStatus.SKIPPED, "later": NodeStatus.SKIPPED}
    assert (dag.progress["failed"], dag.progress["skipped"]) == (1, 2)
    assert dag.run.get_subdags()[1].progress["skipped"] == 3


def test_a_subdag_that_was_cancelled_by_itself_says_so(memory: DuckQueue) -> None:
    dag = DAG("outer", memory)
    dag.add_subdag(factory, "sub")
    dag.add_node(one, "after", depends_on="sub")
    dag.submit()
    (child,) = dag.run.get_subdags()
    assert child.cancel() == 3
    states = {row["name"]: row["status"].value for row in dag.get_jobs()}
    assert states == {"sub": "cancelled", "after": "skipped"}
    assert (dag.progress["cancelled"], dag.progress["skipped"]) == (1, 1)
    job = dag.get_job("sub")
    assert job is not None
    assert job.status == "cancelled"
    assert dag.execute() is False
    assert dag.resume() == 5
    assert dag.execute()


def test_a_dag_cannot_hold_itself(memory: DuckQueue) -> None:
    outer, inner = DAG("outer", memory), DAG("inner", memory)
    outer.add_subdag(inner, "inner")
    for holder, held in ((outer, outer), (inner, outer)):
        with pytest.raises(DAGValidationError, match="hold itself"):
            holder.add_subdag(held, "circle")


def endless(queue: DuckQueue) -> DAG:
    dag = DAG("endless", queue)
    dag.add_subdag(round_again, "again")
    return dag


def round_again(queue: DuckQueue) -> DAG:
    dag = DAG("round", queue)
    dag.add_node(endless, "again")
    return dag


def test_factories_that_add_each_other_without_end_are_named(memory: DuckQueue) -> None:
    dag = DAG("outer", memory)
    for factory_ in (endless, lambda queue: endless(queue)):
        with pytest.raises(DAGValidationError, match="itself again and again") as caught:
            dag.add_subdag(factory_, "circle")
        assert caught.value.facts["nodes"] in (
            ["endless", "round_again", "endless"],
            ["round_again", "endless", "round_again"],
        )
    assert dag.jobs == {}
    dag.add_node(one, "a")  # nothing is left behind in the thread
    dag.add_subdag(factory, "sub", depends_on="a")
    assert dag.execute()


def test_a_factory_may_add_itself_as_long_as_it_stops(memory: DuckQueue) -> None:
    left = [5]

    def shorter(queue: DuckQueue) -> DAG:
        dag = DAG(f"level{left[0]}", queue)
        left[0] -= 1
        dag.add_node(one, "a")
        if left[0]:
            dag.add_subdag(shorter, "below", depends_on="a")
        return dag

    dag = DAG("outer", memory)
    dag.add_subdag(shorter, "sub")
    assert dag.execute()
    assert dag.results() == {"sub": {"below": {"below": {"below": {"below": {"a": 1}}}}}}


def test_an_endless_recursion_of_its_own_is_a_factorys_own_error(memory: DuckQueue) -> None:
    def broken(queue: DuckQueue) -> DAG:
        def again() -> DAG:
            return again()

        return again()

    with pytest.raises(RecursionError):
        DAG("outer", memory).add_subdag(broken, "sub")


def test_kinds(memory: DuckQueue) -> None:
    dag = DAG("kinds", memory, validate=False)
    dag.add_node(factory, "sub", kind="SUBDAG")
    dag.add_node(one, "job", kind="job")
    for wrong in ("sub-dag", "", 3):
        with pytest.raises(InvalidRequestError, match="give 'subdag' for"):
            dag.add_node(one, kind=wrong)  # type: ignore[arg-type]
    assert dag.execute()
    assert dag.results() == {"sub": {"left": 5, "right": 7}, "job": 1}


def test_any_of_two_subdags(memory: DuckQueue) -> None:
    bad = DAG("bad", memory, max_retries=0)
    bad.add_node(fail, "f")
    dag = DAG("outer", memory)
    dag.add_subdag(bad, "bad")
    dag.add_subdag(factory, "good")
    dag.add_subdag(factory, "after", depends_on=["bad", "good"], dependency_mode="any")
    assert dag.execute() is False
    assert dag["after"].status == "done"


def test_results_pass_under_json_ref() -> None:
    with DuckQueue(":memory:", serialization="json_ref") as queue:
        dag = DAG("json", queue)
        dag.add_subdag(factory, "sub")
        dag.add_node(total, "sum", depends_on="sub")
        assert dag.execute()
        assert dag.results()["sum"] == 12


def test_allowed_modules_need_not_name_queuack_itself() -> None:
    with DuckQueue(":memory:", serialization="json_ref", allowed_modules=["dag_nodes"]) as queue:
        dag = DAG("allowed", queue, max_retries=0)
        dag.add_subdag(factory, "sub")
        assert dag.execute()
        assert dag["sub"].result() == {"left": 5, "right": 7}
        job = queue.enqueue(is_factory, (1, "subdag"), max_attempts=1)
        with WorkerPool(queue, 1), pytest.raises(JobFailedError, match="not allowed here"):
            queue.wait(job, 30)


def test_read_by_another_handle(shared: DuckQueue) -> None:
    dag = DAG("outer", shared)
    dag.add_subdag(nested, "middle")
    dag.execute()
    with DuckQueue(shared.db_path) as other:
        run = DAGRun(other, dag.submit())
        assert run.results() == {"middle": {"sum": 12}}
        assert run["middle"].result() == {"sum": 12}


def test_a_cycle_inside_is_shown_and_nothing_is_stored(memory: DuckQueue) -> None:
    inner = DAG("inner", memory, fail_fast=False)
    with pytest.warns(UserWarning, match="does not have"):
        inner.add_node(one, "a", depends_on="b")
    inner.add_node(one, "b", depends_on="a")
    dag = DAG("outer", memory)
    dag.add_subdag(inner, "sub")
    with pytest.raises(DAGValidationError, match="'inner' has a cycle: a → b → a"):
        dag.submit()
    assert memory.stats()["pending"] == 0


def test_a_subdag_that_always_runs_cleans_up_after_a_failure(memory: DuckQueue) -> None:
    dag = DAG("outer", memory, max_retries=0)
    dag.add_node(fail, "bad")
    dag.add_subdag(factory, "clean", depends_on="bad", dependency_mode="always")
    assert dag.execute() is False
    assert dag.results() == {"clean": {"left": 5, "right": 7}}


def test_instances_nested_sixty_deep(memory: DuckQueue) -> None:
    dag = DAG("leaf", memory)
    dag.add_node(one, "a")
    expected: object = {"a": 1}
    for depth in range(60):
        outer = DAG(f"above{depth}", memory)
        outer.add_subdag(dag, "sub")
        dag, expected = outer, {"sub": expected}
    assert dag.execute()
    assert dag.results() == expected


def test_nesting_too_deep_for_python_is_refused_and_nothing_is_stored(memory: DuckQueue) -> None:
    dag = DAG("leaf", memory)
    dag.add_node(one, "a")
    for depth in range(sys.getrecursionlimit()):
        outer = DAG(f"above{depth}", memory)
        outer.add_subdag(dag, "sub")
        dag = outer
    for use in (dag.submit, dag.plan, dag.export_mermaid):
        with pytest.raises(DAGValidationError, match="too deep for Python"):
            use()
    assert memory.stats()["pending"] == 0
