"""Nodes that choose which of their children go on."""

from __future__ import annotations

import pytest
from dag_nodes import completed, echo, factory, fail, one
from queuack_dag import DAG, Branch, NodeStatus
from queuack_store import DuckQueue


def choose(*names: str) -> Branch:
    return Branch(*names, result=sorted(names))


def states(dag: DAG) -> dict[str, str]:
    return {row["name"]: row["status"].value for row in dag.get_jobs()}


def branching(queue: DuckQueue, *names: str) -> DAG:
    dag = DAG("branching", queue, max_retries=0)
    dag.add_node(choose, "choose", args=names)
    for name in ("left", "right"):
        dag.add_node(one, name, depends_on="choose")
    dag.add_node(one, "behind", depends_on="right")
    dag.add_subdag(factory, "sub", depends_on="choose")
    dag.add_node(one, "clean", depends_on="choose", always=True)
    dag.add_node(completed, "join", depends_on=["left", "right"], dependency_mode="any")
    return dag


def test_only_the_chosen_children_go_on(memory: DuckQueue) -> None:
    dag = branching(memory, "left")
    assert dag.execute()
    assert states(dag) == {
        "choose": "done", "left": "done", "right": "skipped", "behind": "skipped", "sub": "skipped",
        "clean": "done", "join": "done",
    }  # fmt: skip
    assert dag["right"].skip_reason == "'choose' chose 'left'"
    assert dag["choose"].result() == ["left"]


def test_a_subdag_is_chosen_by_its_name(memory: DuckQueue) -> None:
    dag = branching(memory, "sub", "right")
    assert dag.execute()
    assert (states(dag)["sub"], states(dag)["left"], states(dag)["behind"]) == ("done", "skipped", "done")
    none = branching(memory)
    assert none.execute()
    assert [name for name, state in states(none).items() if state == "done"] == ["choose", "clean"]


def test_what_was_not_chosen_stays_so(memory: DuckQueue) -> None:
    dag = branching(memory, "left")
    dag.add_node(fail, "bad")
    dag.add_node(echo, "both", args=(1,), depends_on=["bad", "right"])
    assert not dag.execute()
    assert dag.resume() == 1  # what failed; neither what was not chosen nor what is behind it
    assert not dag.execute()
    assert states(dag)["right"] == states(dag)["both"] == "skipped"
    assert dag.retry("right") == 0


def test_an_unknown_child_fails_the_node_by_name(memory: DuckQueue) -> None:
    dag = branching(memory, "left", "middle")
    assert not dag.execute()
    assert dag["choose"].status is NodeStatus.FAILED
    assert "'middle'" in str(dag["choose"].error)
    assert "clean, left, right, sub" in str(dag["choose"].error)


def test_a_job_that_is_no_node_has_no_children(memory: DuckQueue) -> None:
    from queuack_store import JobFailedError
    from queuack_worker import WorkerPool

    job = memory.enqueue(choose, ("left",), max_attempts=1)
    with WorkerPool(memory, 1), pytest.raises(JobFailedError, match="no node of a DAG"):
        memory.wait(job, 30)


def test_the_result_of_a_branch_can_be_mapped_over(memory: DuckQueue) -> None:
    dag = DAG("branching", memory)
    dag.add_node(choose, "choose", args=("lengths",))
    dag.map(len, over="choose", name="lengths")
    dag.add_node(one, "other", depends_on="choose")
    assert dag.execute()
    assert dag["lengths"].result() == [7]
    assert dag["other"].status == "skipped"
