"""One run, several processes: submitted by all at once, followed from elsewhere, cancelled, interrupted."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from dag_nodes import BEGUN, GATES, gate, gated, nested, one
from queuack_dag import DAG, DAGRun
from queuack_store import DuckQueue
from queuack_worker import WorkerPool

HERE = str(Path(__file__).parent)
WAIT_S = 120

SUBMIT = """
import sys
from dag_nodes import one
from queuack_dag import DAG
from queuack_store import DuckQueue

with DuckQueue(sys.argv[1]) as queue:
    dag = DAG("daily", queue, run_key="2024-05-01", validate=False)
    for i in range(200):
        dag.add_node(one, f"n{i}")
    print("ready", flush=True)
    sys.stdin.readline()
    print(dag.submit(), dag.jobs["n7"], flush=True)
"""

LOOK = """
import sys
from queuack_dag import DAGRun
from queuack_store import DuckQueue

with DuckQueue(sys.argv[1]) as queue:
    run = DAGRun(queue, sys.argv[2])
    if "cancel" in sys.argv:
        run.cancel("from elsewhere")
    states = {row["name"]: row["status"].value for row in run.get_jobs()}
    print(run.get_status().value, states, run.is_complete(), sorted(run.results().items()))
"""

# The first two nodes say in a pipe that they have begun, and hold it as long as their process lives.
INTERRUPTED = """
import os, sys
from queuack_dag import DAG
from queuack_store import DuckQueue

def work(folder, n):
    if os.path.exists(f"{folder}/begun{n}"):
        os.write(os.open(f"{folder}/begun{n}", os.O_WRONLY), b"x")
        open(f"{folder}/gate{n}").close()  # waits for the test
    return n

if __name__ == "__main__":
    with DuckQueue(f"{sys.argv[1]}/jobs.db") as queue:
        dag = DAG("main", queue, run_key="once", validate=False)
        for n in range(6):
            dag.add_node(work, f"n{n}", args=(sys.argv[1], n), depends_on=["n0", "n1"] if n > 1 else None)
        try:
            print(dag.execute(processes=2))
        except KeyboardInterrupt:
            print({row["name"]: (row["status"].value, row["attempts"]) for row in dag.get_jobs()})
"""


SILENT = """
import sys, time
from dag_nodes import fail, one
from queuack_dag import DAG
from queuack_store import DuckQueue

def too_long():
    while True:
        time.sleep(0.01)

if __name__ == "__main__":
    with DuckQueue(sys.argv[1]) as queue:
        dag = DAG("silent", queue, validate=False, max_retries=1, retry_delay=0)
        dag.add_node(fail, "bad")
        dag.add_node(one, "child", depends_on="bad")
        dag.add_node(too_long, timeout_seconds=0.1)
        assert dag.execute(processes=int(sys.argv[2])) is False
        assert dag["too_long"].status == "failed"
"""


def start(stack: ExitStack, text: str, *args: str, folder: Path, **options: Any) -> subprocess.Popen[str]:
    path = folder / f"script{len(list(folder.glob('script*')))}.py"
    path.write_text(text)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([HERE, *sys.path])}
    process = subprocess.Popen(
        [sys.executable, str(path), *args], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip
    stack.enter_context(process)
    stack.callback(process.kill)
    return process


def said_by(text: str, *args: str, folder: Path) -> str:
    with ExitStack() as stack:
        process = start(stack, text, *args, folder=folder)
        out, err = process.communicate(timeout=WAIT_S)
        assert (process.returncode, err) == (0, "")
        return out.strip()


def test_one_key_makes_one_run_whoever_submits_at_once(shared: DuckQueue, tmp_path: Path) -> None:
    with ExitStack() as stack:
        crowd = [start(stack, SUBMIT, shared.db_path, folder=tmp_path) for _ in range(4)]
        for process in crowd:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in crowd:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = {process.communicate(timeout=WAIT_S)[0] for process in crowd}
    assert len(answers) == 1
    (answer,) = answers
    run_id, job_id = answer.split()
    assert shared.stats()["pending"] == 200
    assert shared.sql("SELECT id::VARCHAR, run_key FROM dag_runs").fetchall() == [(run_id, "2024-05-01")]
    run = DAGRun.by_key(shared, "2024-05-01")
    assert run.jobs["n7"] == job_id
    assert run.execute()


def test_a_run_is_followed_and_cancelled_from_another_process(shared: DuckQueue, tmp_path: Path) -> None:
    gate("seen")
    dag = DAG("seen", shared)
    dag.add_node(one, "first")
    dag.add_node(gated, "second", args=("seen",), depends_on="first")
    dag.add_subdag(nested, "third", depends_on="second")
    run_id = dag.submit()
    with WorkerPool(shared, 1):
        assert BEGUN["seen"].wait(30)
        assert said_by(LOOK, shared.db_path, run_id, folder=tmp_path) == (
            "running {'first': 'done', 'second': 'running', 'third': 'pending'} False [('first', 1)]"
        )
        assert said_by(LOOK, shared.db_path, run_id, "cancel", folder=tmp_path).startswith("running ")
        GATES["seen"].set()
        assert dag.wait_for_completion(30)
    assert dag["third"].skip_reason == "from elsewhere"
    assert said_by(LOOK, shared.db_path, run_id, folder=tmp_path) == (
        "cancelled {'first': 'done', 'second': 'cancelled', 'third': 'cancelled'} True [('first', 1)]"
    )


def test_ctrl_c_with_child_processes_lets_running_nodes_finish(tmp_path: Path) -> None:
    pipes = [tmp_path / name for name in ("begun0", "begun1", "gate0", "gate1")]
    for pipe in pipes:
        os.mkfifo(pipe)
    with ExitStack() as stack:
        process = start(stack, INTERRUPTED, str(tmp_path), folder=tmp_path, start_new_session=True)
        alive = [stack.enter_context(pipe.open("rb", buffering=0)) for pipe in pipes[:2]]
        assert [pipe.read(1) for pipe in alive] == [b"x", b"x"]
        os.killpg(process.pid, signal.SIGINT)
        pipes[2].write_text("")
        assert alive[0].read() == b""  # the first child has stopped, so the second was told to
        pipes[3].write_text("")
        out, err = process.communicate(timeout=WAIT_S)
        assert (process.returncode, err) == (0, "")
    ready = dict.fromkeys(("n2", "n3", "n4", "n5"), ("ready", 0))
    assert ast.literal_eval(out) == {"n0": ("done", 1), "n1": ("done", 1), **ready}
    for pipe in pipes:
        pipe.unlink()
    with DuckQueue(tmp_path / "jobs.db") as queue:
        run = DAGRun.by_key(queue, "once")
        assert run.execute(processes=2)
        assert run.results() == {f"n{n}": n for n in range(6)}


@pytest.mark.parametrize("processes", [0, 2])
def test_nothing_is_printed_even_where_nodes_fail(tmp_path: Path, processes: int) -> None:
    assert said_by(SILENT, str(tmp_path / "jobs.db"), str(processes), folder=tmp_path) == ""
