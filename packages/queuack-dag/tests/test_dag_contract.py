"""What is promised of DAG and DAGRun, a sentence a test."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import queuack_dag
from dag_nodes import GATES, completed, echo, fail, gate, gated, one, total
from queuack_dag import DAG, DAGRun, DAGRunStatus, DAGStateError, DAGValidationError, NodeStatus
from queuack_dag.errors import UnknownNodeError, UnknownRunError
from queuack_store import DuckQueue, InvalidRequestError, JobSkippedError, UnknownJobError
from queuack_worker import WorkerPool

_WAITING = {
    "execute": [("poll_interval", 0.1), ("timeout", None), ("show_progress", False)],
    "wait_for_completion": [("timeout", None), ("poll_interval", 1.0), ("callback", None)],
}


def test_signatures_and_defaults() -> None:
    found = inspect.signature(DAG.add_node)
    defaults = {n: p.default for n, p in found.parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD}
    assert list(defaults) == [
        "self", "func", "name", "kind", "args", "kwargs", "depends_on", "priority", "max_attempts",
        "timeout_seconds", "dependency_mode",
    ]  # fmt: skip
    assert (defaults["priority"], defaults["max_attempts"], defaults["timeout_seconds"]) == (50, 3, 300)
    made = inspect.signature(DAG).parameters
    assert list(made)[:10] == [
        "name", "queue", "description", "validate", "fail_fast", "timing", "max_retries", "retry_delay",
        "timeout_per_task", "show_progress",
    ]  # fmt: skip
    assert list(made.values())[1].default is None
    assert [p.default for p in list(made.values())[2:10]] == [
        None,
        True,
        True,
        False,
        None,
        None,
        None,
        False,
    ]
    for kind in (DAG, DAGRun):
        told = [list(inspect.signature(getattr(kind, name)).parameters.values())[1:4] for name in _WAITING]
        assert [[(p.name, p.default) for p in given] for given in told] == list(_WAITING.values())
    assert all(getattr(queuack_dag, name) for name in queuack_dag.__all__)


def test_a_diamond(memory: DuckQueue, capsys: pytest.CaptureFixture[str]) -> None:
    dag = DAG("diamond", memory, description="four nodes")
    first = dag.add_node(echo, "first", args=(1,))
    dag.add_job(echo, "left", args=[2], depends_on=first)
    dag.add_node(echo, "right", kwargs={"value": 3}, depends_on="first")
    last = dag.add_node(total, depends_on=["left", "right"])
    assert dag.get_execution_order() == [["first"], ["left", "right"], ["total"]]
    assert dag.get_critical_path()[0::2] == ["first", "total"]
    assert dag.get_ancestors("total") == {"first", "left", "right"}
    assert dag.get_descendants("first") == {"left", "right", "total"}
    assert dag.validate() == []
    assert (dag.status, dag.is_complete(), dag.dag_run_id) == (DAGRunStatus.PENDING, False, None)
    assert dag.progress["pending"] == 4
    assert dag.execute() is True
    assert dag.jobs["total"] == last
    assert dag.results() == {"first": 1, "left": 2, "right": 3, "total": 5}
    assert dag["total"].result() == memory.get_result(last) == 5
    assert (dag.status, dag.is_complete()) == ("done", True)
    assert dag.get_progress() == {
        "pending": 0, "ready": 0, "running": 0, "done": 4, "failed": 0, "skipped": 0, "cancelled": 0,
    }  # fmt: skip
    by_name, by_id = dag.get_job("total"), dag.get_job(last)
    assert by_name is not None
    assert by_id is not None
    assert by_name["id"] == by_id.id == last
    assert by_name.status is NodeStatus.DONE
    assert dag.get_job("nobody") is None
    assert dag.update_status() is None
    assert dag.submit() == dag.dag_run_id
    assert capsys.readouterr().out == ""
    run = DAGRun(memory, dag.submit())
    assert (run.get_status(), run.name, run.get_subdags()) == ("done", "diamond", [])
    assert run.get_parent_job() is None
    assert run.jobs == dag.jobs


@pytest.mark.parametrize("depends_on", ["later", ["first", "later"]])
def test_an_unknown_parent_is_refused_by_name(memory: DuckQueue, depends_on: object) -> None:
    dag = DAG("refused", memory)
    dag.add_node(one, "first")
    with pytest.raises(DAGValidationError, match=r"'node' depends on 'later'.*'first'"):
        dag.add_node(one, "node", depends_on=depends_on)  # type: ignore[arg-type]
    assert list(dag.jobs) == ["first"]


def test_a_name_that_is_taken_is_refused(memory: DuckQueue) -> None:
    dag = DAG("refused", memory)
    dag.add_node(one, "first")
    with pytest.raises(ValueError, match="'first' already"):
        dag.add_node(one, "first")
    assert [*dag.jobs, *(DAG("x", memory).jobs)] == ["first"]
    dag.add_node(one)
    dag.add_node(one)
    assert list(dag.jobs) == ["first", "one", "one_2"]


def test_a_cycle_is_refused_and_shown(memory: DuckQueue) -> None:
    with pytest.raises(DAGValidationError, match="cycle: a → a"):
        DAG("cycle", memory).add_node(one, "a", depends_on="a")
    dag = DAG("cycle", memory, fail_fast=False)
    with pytest.warns(UserWarning, match="does not have"):
        dag.add_node(one, "a", depends_on="c")
    dag.add_node(one, "b", depends_on="a")
    dag.add_node(one, "c", depends_on="b")
    for call in (dag.validate, dag.submit, dag.execute, dag.get_execution_order):
        with pytest.raises(DAGValidationError, match=r"→") as refused:
            call()
        assert set(refused.value.facts["nodes"]) == {"a", "b", "c"}
    assert memory.stats()["pending"] == 0


def test_without_fail_fast_a_forward_reference_is_a_warning(memory: DuckQueue) -> None:
    dag = DAG("forward", memory, fail_fast=False)
    with pytest.warns(UserWarning, match="parents are added first"):
        dag.add_node(total, "sum", depends_on="number")
    with pytest.raises(DAGValidationError, match="number"):
        dag.validate()
    dag.add_node(echo, "number", args=(4,))
    assert dag.execute()
    assert dag.results()["sum"] == 4


def test_no_nodes(memory: DuckQueue) -> None:
    with pytest.raises(DAGValidationError, match="no nodes"):
        DAG("empty", memory).submit()


def test_validate_warns_of_what_seems_unintended(memory: DuckQueue) -> None:
    dag = DAG("odd", memory)
    dag.add_node(one, "a")
    dag.add_node(one, "b", dependency_mode="any")
    assert len(dag.validate()) == 2
    with pytest.warns(UserWarning, match="DAG 'odd'") as warned:
        dag.submit()
    assert ["2 parts" in str(one.message) or "has 0" in str(one.message) for one in warned] == [True, True]


def test_jobs_outside_the_dag_may_be_parents(memory: DuckQueue) -> None:
    outside = memory.enqueue(echo, (20,))
    dag = DAG("inside", memory)
    dag.add_node(total, "sum", depends_on=outside)
    dag.submit()
    assert dag.progress["pending"] == 1
    with WorkerPool(memory, 1):
        assert dag.wait_for_completion(30)
    assert dag.results() == {"sum": 20}


@pytest.mark.parametrize("inside", [False, True])
def test_a_job_outside_that_does_not_exist_is_refused_by_the_nodes_name(
    memory: DuckQueue, inside: bool
) -> None:
    nowhere = "00000000-0000-7000-8000-000000000000"
    dag = DAG("lost", memory)
    dag.add_node(one, "first")
    inner = DAG("inner", memory)
    inner.add_node(one, "of_it")
    if inside:
        dag.add_subdag(inner, "node", depends_on=["first", nowhere])
    else:
        dag.add_node(one, "node", depends_on=["first", nowhere])
    with pytest.raises(
        UnknownJobError, match=f"node 'node' of DAG 'lost' depends on job {nowhere}"
    ) as refused:
        dag.submit()
    assert refused.value.facts == {"id": nowhere, "nodes": ["node"]}
    assert (memory.stats()["pending"], dag.dag_run_id) == (0, None)


def test_a_parent_that_is_no_name_is_refused_with_the_nodes(memory: DuckQueue) -> None:
    for wrong in (5, [5]):
        with pytest.raises(InvalidRequestError, match="node 'node' depends on 5: give the name or id"):
            DAG("wrong", memory).add_node(one, "node", depends_on=wrong)  # type: ignore[arg-type]


def test_a_dag_behind_a_failure_outside_is_skipped_and_its_other_nodes_still_run(memory: DuckQueue) -> None:
    bad = memory.enqueue(one)
    memory.cancel(bad)
    dag = DAG("half", memory, validate=False)
    dag.add_node(one, "skipped", depends_on=bad)
    dag.add_node(one, "runs")
    dag.submit()
    assert dag.wait_for_completion(timeout=0) is False
    dag.execute()
    assert dag.progress["skipped"] == dag.progress["done"] == 1


def test_a_failure_skips_the_descendants_with_the_reason(memory: DuckQueue) -> None:
    dag = DAG("fails", memory, max_retries=0, validate=False)
    dag.add_node(fail, "bad")
    dag.add_node(one, "child", depends_on="bad")
    dag.add_node(one, "grandchild", depends_on="child")
    dag.add_node(one, "other")
    assert dag.execute() is False
    states = {row["name"]: row["status"].value for row in dag.get_jobs()}
    assert states == {"bad": "failed", "child": "skipped", "grandchild": "skipped", "other": "done"}
    assert dag["child"].skip_reason == "parent 'bad' failed"
    assert "ValueError: no" in dag["bad"].error
    assert dag.status is DAGRunStatus.FAILED
    assert dag.wait_for_completion() is True
    with pytest.raises(JobSkippedError):
        dag["grandchild"].result()


def test_any_starts_at_the_first_success_and_tolerates_failures(memory: DuckQueue) -> None:
    gate("slow")
    dag = DAG("any", memory, max_retries=0)
    dag.add_node(fail, "bad")
    dag.add_node(one, "good")
    dag.add_node(gated, "slow", args=("slow",))
    dag.add_node(completed, "first", depends_on=["bad", "good", "slow"], dependency_mode="any")
    dag.add_node(fail, "worse")
    dag.add_node(one, "never", depends_on=["bad", "worse"], dependency_mode=queuack_dag.DependencyMode.ANY)
    dag.submit()
    with WorkerPool(memory, 4):
        assert memory.wait(dag.jobs["first"], 30) == ["good"]
        assert not dag.is_complete()
        GATES["slow"].set()
        assert dag.wait_for_completion(30)
    assert dag["never"].status == "skipped"
    assert dag["first"].attempts == 1
    assert dag.status == "failed"  # although the ANY child tolerated it


def test_always_runs_when_all_parents_ended_however(memory: DuckQueue) -> None:
    dag = DAG("clean", memory, max_retries=0)
    dag.add_node(fail, "bad")
    dag.add_node(one, "skipped", depends_on="bad")
    dag.add_node(completed, "clean", depends_on=["bad", "skipped"], always=True)
    assert dag.execute() is False
    assert dag.results() == {"clean": []}


def test_defaults_of_the_dag_give_way_to_the_nodes_own(memory: DuckQueue) -> None:
    dag = DAG("x", memory, max_retries=4, timeout_per_task=7, priority=80, retry_delay=0, validate=False)
    dag.add_node(one, "plain")
    dag.add_node(one, "own", max_attempts=3, timeout_seconds=300, priority=50)
    dag.add_node(one, "none", timeout_seconds=None)
    other = DAG("y", memory)
    other.add_node(one, "plain")
    dag.submit()
    other.submit()
    rows = {
        row["name"]: (row["max_attempts"], row["timeout_seconds"], row["priority"]) for row in dag.get_jobs()
    }
    assert rows == {"plain": (5, 7, 80), "own": (3, 300, 50), "none": (5, None, 80)}
    assert other["plain"].max_attempts == 3


def test_the_longest_path_comes_first(memory: DuckQueue) -> None:
    dag = DAG("order", memory, validate=False)
    dag.add_node(one, "short")
    dag.add_node(one, "long1")
    dag.add_node(one, "long2", depends_on="long1")
    dag.submit()
    claimed = memory.claim_batch(2)
    assert [job.node_name for job in claimed] == ["long1", "short"]


def test_a_submitted_dag_cannot_be_changed(memory: DuckQueue) -> None:
    dag = DAG("fixed", memory)
    with pytest.raises(DAGStateError, match="not been submitted"):
        dag.wait_for_completion()
    dag.add_node(one, "a")
    with pytest.raises(DAGStateError):
        dag.get_jobs()[0].result()
    dag.submit()
    with pytest.raises(RuntimeError, match="was submitted"):
        dag.add_node(one, "b")
    with pytest.raises(DAGStateError):
        DAG("outer", memory).add_subdag(dag, "inner")


def test_one_key_makes_one_run(memory: DuckQueue) -> None:
    ids = []
    for _ in range(2):
        dag = DAG("daily", memory, run_key="2024-05-01")
        dag.add_node(one, "a")
        ids.append((dag.submit(), dag.jobs["a"]))
    assert ids[0] == ids[1]
    assert memory.stats()["pending"] == 1
    assert dag.execute()
    assert dag["a"].result() == 1
    job = dag.get_job("a")
    assert job is not None
    assert job.id == ids[0][1]
    assert DAGRun.by_key(memory, "2024-05-01").dag_run_id == ids[0][0]
    with pytest.raises(UnknownRunError):
        DAGRun.by_key(memory, "2024-05-02")


def test_unknown_runs_and_nodes(memory: DuckQueue) -> None:
    run = DAGRun(memory, memory.enqueue(one))
    for call in (run.get_status, run.get_jobs, run.get_progress, run.wait_for_completion, run.execute,
                 run.cancel, run.resume, run.get_hierarchy):  # fmt: skip
        with pytest.raises(UnknownRunError, match=run.dag_run_id):
            call()  # type: ignore[operator]
    with pytest.raises(InvalidRequestError):
        DAGRun(memory, "nonsense")
    dag = DAG("x", memory)
    dag.add_node(one, "a")
    dag.submit()
    with pytest.raises(UnknownNodeError, match="'b'"):
        dag["b"]


def test_with_queue_dag_submits_on_a_clean_exit(memory: DuckQueue) -> None:
    with memory.dag("etl", description="d") as dag:
        dag.enqueue(echo, (3,), name="extract")
        dag.enqueue(total, name="load", depends_on="extract")
    assert dag.dag_run_id is not None
    assert dag.execute()
    assert dag.results()["load"] == 3

    def leave_with_an_error() -> None:
        with memory.dag("never") as never:
            never.enqueue(one)
            raise KeyError

    with pytest.raises(KeyError):
        leave_with_an_error()
    assert memory.stats()["pending"] == 0
    assert isinstance(memory.create_dag("made", max_retries=1), DAG)


def test_without_a_queue_it_owns_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with DAG("own") as dag:
        dag.add_node(echo, "a", args=(1,))
        dag.submit()
        assert dag.wait_for_completion(60)
        assert dag.results() == {"a": 1}
    assert (tmp_path / "duckqueue.db").exists()
    assert dag.results() == {"a": 1}  # its queue is open again
    dag.close()
    with DAG("left") as left:
        left.add_node(echo, "a", args=(2,))
    assert left.execute()
    assert left.results() == {"a": 2}
    left.close()
    again = DAG("drawn")
    again.add_node(one, "a")
    assert "flowchart" in again.export_mermaid()
    again.close()


def test_timing_prints_one_line_per_node(memory: DuckQueue, capsys: pytest.CaptureFixture[str]) -> None:
    dag = DAG("timed", memory).with_timing()
    dag.add_node(one, "a")
    dag.add_node(one, "b", depends_on="a")
    assert dag.execute()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["a", "b"]
    assert all(line.endswith(" s") for line in lines)


def test_progress_is_shown_on_request(memory: DuckQueue, capsys: pytest.CaptureFixture[str]) -> None:
    dag = DAG("shown", memory)
    dag.add_node(one, "a")
    assert dag.execute(show_progress=True)
    assert "1/1" in capsys.readouterr().out


def test_export_before_and_after(memory: DuckQueue, tmp_path: Path) -> None:
    outside = memory.enqueue(one)
    dag = DAG("drawn", memory, max_retries=0)
    dag.add_node(fail, "bad")
    dag.add_node(one, "child", depends_on=["bad", outside])
    before = dag.export_mermaid()
    assert ":::neutral" in before
    assert before.count("-->") == 2
    with WorkerPool(memory, 1):
        dag.execute()
    after = dag.export_mermaid(path=tmp_path / "dag.mmd")
    assert ":::failed" in after
    assert ":::skipped" in after
    assert (tmp_path / "dag.mmd").read_text() == after
