"""Timings of a run, its measured critical path, how long it will take, and what differs from another."""

from __future__ import annotations

from dag_nodes import BEGUN, GATES, count_to, double, factory, fail, gate, gated, one, scale
from queuack_dag import DAG, Eta, NodeTiming
from queuack_dag.forecast import eta_of
from queuack_dag.timing import longest
from queuack_store import DuckQueue
from queuack_worker import WorkerPool


def wide(queue: DuckQueue, name: str = "wide", slow: str = "slow") -> DAG:
    """Return a DAG in which `slow` waits for its gate, beside a short way."""
    dag = DAG(name, queue, max_retries=0)
    dag.add_node(count_to, "first", args=(3,))
    dag.add_node(gated, "slow", args=(slow,), depends_on="first")
    dag.map(double, over="first", name="mapped")
    dag.add_subdag(factory, "sub", depends_on="mapped")
    dag.add_node(one, "last", depends_on=["slow", "sub"])
    return dag


def run_slowly(dag: DAG, key: str) -> None:
    """Run it so that what does not wait for the gate has ended before that opens."""
    gate(key)
    dag.submit()
    with WorkerPool(dag.queue, 2):
        assert BEGUN[key].wait(30)
        dag.queue.wait(dag.jobs["sub"], 30)
        GATES[key].set()
        assert dag.wait_for_completion(30)


def test_timings_and_the_measured_critical_path(memory: DuckQueue) -> None:
    dag = wide(memory)
    run_slowly(dag, "slow")
    timings = dag.run.timings()
    assert list(timings) == [row["name"] for row in dag.get_jobs()]
    assert set(timings["last"].parents) == {"slow", "sub"}
    assert timings["sub"].parents == ("mapped",)
    assert timings["mapped"].parents == ("first",)
    assert timings["mapped"].task == "dag_nodes:double"
    for one_ in timings.values():
        assert one_.ready_at is not None
        assert one_.ended_at is not None
        assert (one_.waited or 0.0) >= 0.0
        assert abs(one_.seconds - (one_.ended_at - one_.ready_at).total_seconds()) < 1e-4
    assert [one_.name for one_ in dag.run.get_critical_path()] == ["first", "slow", "last"]
    # The path is as long as the run: what is on it explains all of the time.
    took = sum(one_.seconds for one_ in dag.run.get_critical_path())
    info = dag.run.info()
    assert abs(took - (info["completed_at"] - info["created_at"])) < 1e-3


def test_before_anything_ran(memory: DuckQueue) -> None:
    dag = wide(memory)
    dag.submit()
    timings = dag.run.timings()
    assert timings["first"].ready_at is not None
    assert (timings["last"].ready_at, timings["last"].ran, dag.run.get_critical_path()) == (None, None, [])


def test_eta_rests_on_earlier_runs(memory: DuckQueue) -> None:
    first = wide(memory, slow="eta1")
    first.submit()
    assert first.run.eta() == Eta(None, None, 0)
    run_slowly(first, "eta1")
    assert first.run.eta().seconds == 0.0
    gate("eta2")
    second = wide(memory, slow="eta2")
    second.submit()
    other = wide(memory, "another name")
    other.submit()
    assert other.run.eta().runs == 0
    created = second.run.info()["created_at"]
    before = eta_of(second.run, created)
    info = first.run.info()
    assert before.runs == 1
    assert before.seconds is not None
    # Nothing has run: as long as the whole took last time.
    assert abs(before.seconds - (info["completed_at"] - info["created_at"])) < 1e-3
    with WorkerPool(memory, 2):
        assert BEGUN["eta2"].wait(30)
        memory.wait(second.jobs["sub"], 30)
        started = second.run.timings()["slow"].started_at
        assert started is not None
        early, late = (eta_of(second.run, started.timestamp() + s).seconds for s in (0.0, 3_600.0))
        GATES["eta2"].set()
        assert second.wait_for_completion(30)
    assert early is not None
    assert late is not None
    assert late <= early <= before.seconds
    assert second.run.eta().seconds == 0.0


def compared(queue: DuckQueue, func: object, *names: str) -> DAG:
    dag = DAG("compared", queue, max_retries=0, validate=False)
    dag.add_node(func, "edited", args=(1, 2))
    for name in names:
        dag.add_node(one, name, depends_on="edited")
    return dag


def other_scale(item: int, factor: int) -> int:
    return item * factor


def test_diff_names_what_changed(memory: DuckQueue) -> None:
    before = compared(memory, scale, "same", "gone")
    before.submit(params={"shift": 1})
    assert before.execute()
    after = compared(memory, other_scale, "same", "new")
    after.add_node(fail, "bad")
    assert not after.execute()
    found = after.run.diff(before.run)
    what = {one_.name: one_.what for one_ in found.nodes}
    assert "other_scale instead of dag_nodes:scale" in what["edited"][0]
    assert what["gone"] == ("it is gone",)
    assert what["new"] == ("it is new",)
    assert found.params == {"shift": (1, None)}
    assert [abs(n.seconds) for n in found.nodes] == sorted(
        (abs(n.seconds) for n in found.nodes), reverse=True
    )
    assert "parameter 'shift': 1 → None" in str(found)
    again = compared(memory, scale, "same", "gone")
    again.submit(params={"shift": 1})
    again.cancel()
    outcome = {one_.name: one_.what for one_ in again.run.diff(before.run).nodes}
    assert "cancelled instead of done" in outcome["same"]


def test_an_effect_is_what_the_total_would_be_without_it() -> None:
    def node(name: str, *parents: str) -> NodeTiming:
        return NodeTiming(name, "done", parents, None, None, None, None, None, "task")

    graph = {
        n.name: n for n in (node("a"), node("long", "a"), node("short", "a"), node("z", "long", "short"))
    }
    took = {"a": 1.0, "long": 5.0, "short": 2.0, "z": 1.0}
    assert longest(graph, took) == 7.0
    assert longest(graph, {**took, "short": 4.0}) == 7.0  # beside the longest path it does nothing
    assert longest(graph, {**took, "long": 0.0}) == 4.0  # and then the other path is the longest
