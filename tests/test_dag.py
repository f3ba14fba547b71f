"""A workflow as a user has it: described with `queuack`, run by worker processes, asked with SQL, resumed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from queuack import DAG, DAGRun, DAGRunStatus, DuckQueue, NodeStatus, StreamReader

NODES = '''
"""The nodes, in a module that workers import."""
from pathlib import Path

from queuack import StreamReader, generator_task


@generator_task(format="parquet")
def extract(rows):
    for n in range(rows):
        yield {"n": n, "even": n % 2 == 0}


def count(even, context):
    return sum(1 for row in StreamReader(context.upstream("extract")).where("even", "==", even))


def compare(context):
    return context.upstream("evens") - context.upstream("odds")


def broken_until(flag):
    if not Path(flag).exists():
        raise RuntimeError("not yet")
    return "mended"


def shout(context):
    return context.upstream_any().upper()
'''
WAIT_S = 120


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "dag_of_a_user.py").write_text(NODES)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("dag_of_a_user", None)


@contextmanager
def worker_processes(folder: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "queuack_worker.cli", "jobs.duckdb", "--processes", "2"]
    worker = subprocess.Popen([*command, "--log-level", "error"], cwd=folder)
    try:
        yield
    finally:
        worker.terminate()
        assert worker.wait(WAIT_S) == 0


def described(queue: DuckQueue, flag: Path) -> DAG:
    import dag_of_a_user as nodes

    dag = DAG("evens and odds", queue, validate=False)  # it warns of two parts that are apart
    dag.add_node(nodes.extract, args=(1_001,))
    dag.add_node(nodes.count, "evens", args=(True,), depends_on="extract")
    dag.add_node(nodes.count, "odds", args=(False,), depends_on="extract")
    dag.add_node(nodes.compare, depends_on=["evens", "odds"])
    dag.add_node(nodes.broken_until, "fragile", args=(str(flag),), max_attempts=1)
    dag.add_node(nodes.shout, depends_on="fragile")
    dag.add_node(nodes.shout, "first", depends_on=["fragile", "shout"], dependency_mode="any")
    return dag


def test_worker_processes_run_it_and_a_later_handle_resumes_it(folder: Path) -> None:
    flag = folder / "flag"
    with DuckQueue(folder / "jobs.duckdb") as queue, worker_processes(folder):
        dag = described(queue, flag)
        assert dag.get_execution_order()[0] == ["extract", "fragile"]
        run_id = dag.submit()
        assert dag.wait_for_completion(timeout=WAIT_S)
        assert dag.status is DAGRunStatus.FAILED
        assert dag.results()["compare"] == 1
        statuses = {node["name"]: node["status"] for node in dag.get_jobs()}
        assert statuses["fragile"] is NodeStatus.FAILED
        assert {statuses["shout"], statuses["first"]} == {NodeStatus.SKIPPED}

    flag.touch()
    with DuckQueue(folder / "jobs.duckdb") as queue:
        run = DAGRun(queue, run_id)
        assert run.resume() == 3
        assert run.execute(timeout=WAIT_S)
        results = run.results()
        assert (results["shout"], results["first"], results["compare"]) == ("MENDED", "MENDED", 1)
        assert len(StreamReader(results["extract"])) == 1_001
        counts = queue.sql(
            "SELECT status, count(*) FROM jobs WHERE dag_run_id = $run::UUID GROUP BY ALL", {"run": run_id}
        )
        assert counts.fetchall() == [("done", 7)]
        attempts = queue.sql("SELECT count(*) FROM job_attempts WHERE outcome = 'done'").fetchall()
        assert attempts == [(7,)]  # what had succeeded was not run again
        assert "fragile" in run.export_mermaid()


def test_no_node_starts_before_its_parents_have_ended(folder: Path) -> None:
    (folder / "flag").touch()
    with DuckQueue(folder / "jobs.duckdb") as queue:
        assert described(queue, folder / "flag").execute(timeout=WAIT_S, processes=2)
        early = queue.sql(
            """
            SELECT child.node_name FROM job_dependencies d
            JOIN jobs child ON child.id = d.child_id JOIN jobs parent ON parent.id = d.parent_id
            WHERE child.dependency_mode = 'all' AND child.started_at < parent.started_at
            """
        )
        assert early.fetchall() == []
