"""Running: beside other work, with help, on Ctrl-C, out of time; cancelling, retrying and resuming."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from dag_nodes import BEGUN, GATES, echo, factory, fail, gate, gated, meet_other, nested, one, pid, total
from queuack_dag import DAG, DAGRun, DAGStateError
from queuack_store import DuckQueue, InvalidRequestError
from queuack_worker import WorkerPool

HERE = str(Path(__file__).parent)


def test_execute_claims_only_its_own_run(inline: DuckQueue) -> None:
    others = [inline.enqueue(one, priority=100) for _ in range(5)]
    other = DAG("other", inline)
    other.add_node(one, "a")
    other.submit()
    dag = DAG("mine", inline)
    dag.add_subdag(factory, "sub")
    assert dag.execute()
    assert all(job is not None and job.status == "pending" for job in map(inline.get_job, others))
    assert not other.is_complete()


def test_another_queue_name(memory: DuckQueue) -> None:
    dag = DAG("named", memory)
    dag.add_node(one, "a", queue="heavy")
    assert dag.execute()
    assert dag["a"].queue == "heavy"


def test_external_workers_help(shared: DuckQueue, tmp_path: Path) -> None:
    dag = DAG("helped", shared, validate=False, max_retries=0)
    for i in range(2):
        dag.add_node(meet_other, f"n{i}", args=(str(tmp_path / "met"),), timeout_seconds=60)
    dag.submit()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([HERE, *sys.path])}
    command = [sys.executable, "-m", "queuack_worker.cli", shared.db_path, "--concurrency", "1"]
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
        try:
            assert dag.execute(concurrency=1)  # each of the two nodes waits for the other's process
        finally:
            worker.terminate()
    pids = set(dag.results().values())
    assert len(pids) == 2
    assert os.getpid() in pids


def test_child_processes(shared: DuckQueue) -> None:
    dag = DAG("children", shared, validate=False)
    for i in range(4):
        dag.add_node(pid, f"n{i}", args=(i,))
    assert dag.execute(processes=2)
    assert os.getpid() not in dag.results().values()


def test_memory_with_processes_is_refused_with_a_hint(memory: DuckQueue) -> None:
    dag = DAG("refused", memory)
    dag.add_node(one)
    with pytest.raises(InvalidRequestError, match="threads"):
        dag.execute(processes=2)
    assert dag.execute()


def test_time_out_hands_back_and_the_run_can_be_picked_up(memory: DuckQueue) -> None:
    gate("late")
    dag = DAG("late", memory)
    dag.add_node(echo, "a", args=(1,))
    dag.add_node(gated, "b", args=("late",), depends_on="a")
    opener = threading.Thread(target=lambda: BEGUN["late"].wait(30))
    opener.start()
    assert dag.execute(timeout=0.2) is False
    opener.join()
    assert dag.wait_for_completion(timeout=0) is False
    assert dag["b"].attempts == 0
    GATES["late"].set()
    assert DAGRun(memory, dag.submit()).execute()


def test_cancel_ends_the_run_as_cancelled(memory: DuckQueue) -> None:
    gate("stop")
    dag = DAG("stopped", memory, validate=False)
    dag.add_node(gated, "running", args=("stop",))
    dag.add_node(one, "child", depends_on="running")
    dag.add_subdag(nested, "sub", depends_on="child")
    dag.submit()
    with WorkerPool(memory, 1):
        assert BEGUN["stop"].wait(30)
        assert dag.cancel("enough") == 8
        assert dag.status == "running"
        GATES["stop"].set()
        assert dag.wait_for_completion(30)
    assert dag.status == "cancelled"
    assert {row["status"].value for row in dag.get_jobs()} == {"cancelled"}
    assert dag["child"].skip_reason == "enough"
    assert dag.run.get_subdags()[0].get_status() == "cancelled"
    assert dag.cancel() == 0
    assert dag.resume() == 8
    assert dag.status == "running"
    assert dag.execute()
    assert dag.status == "done"


def test_cancelled_jobs_survive_a_restart(tmp_path: Path) -> None:
    with DuckQueue(tmp_path / "jobs.db") as queue:
        dag = DAG("stopped", queue)
        dag.add_subdag(nested, "sub")
        run_id = dag.submit()
        dag.cancel()
    with DuckQueue(tmp_path / "jobs.db") as queue:
        run = DAGRun(queue, run_id)
        assert run.get_status() == "cancelled"
        assert run.resume() == 6
        assert run.execute()


def test_resume_keeps_what_succeeded(shared: DuckQueue, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    inner = DAG("inner", shared, max_retries=0)
    inner.add_node(needs, "needs", args=(str(flag),))
    inner.add_node(one, "then", depends_on="needs")
    dag = DAG("outer", shared, max_retries=0)
    dag.add_node(pid, "kept")
    dag.add_subdag(inner, "sub", depends_on="kept")
    dag.add_node(total, "sum", depends_on="sub")
    assert not dag.execute()
    kept = dag["kept"].completed_at
    flag.touch()
    assert dag.resume() == 4
    assert dag.execute()
    assert dag["kept"].completed_at == kept
    assert dag.results()["sum"] == 1
    assert dag.resume() == 0


def needs(path: str) -> None:
    if not os.path.exists(path):
        raise FileNotFoundError(path)


def test_retry_one_node(memory: DuckQueue, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    dag = DAG("retried", memory, max_retries=0, validate=False)
    dag.add_node(needs, "a", args=(str(flag),))
    dag.add_node(one, "b", depends_on="a")
    dag.add_node(fail, "c")
    assert not dag.execute()
    flag.touch()
    assert dag.retry("a") == 1
    with pytest.raises(DAGStateError, match="ready"):
        dag.retry("a")
    assert not dag.execute()
    states = {row["name"]: row["status"].value for row in dag.get_jobs()}
    assert states == {"a": "done", "b": "done", "c": "failed"}
    with pytest.raises(DAGStateError, match="done"):
        dag.retry("b")


def test_retry_a_subdag(memory: DuckQueue, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    inner = DAG("inner", memory, max_retries=0)
    inner.add_node(needs, "a", args=(str(flag),))
    dag = DAG("outer", memory)
    dag.add_subdag(inner, "sub")
    dag.add_node(one, "b", depends_on="sub")
    assert not dag.execute()
    flag.touch()
    assert dag.retry("sub") == 2
    assert dag.execute()


def test_a_failed_attempt_is_tried_again_after_the_nodes_own_delay_or_the_dags(memory: DuckQueue) -> None:
    dag = DAG("delayed", memory, max_retries=1, retry_delay=200, validate=False)
    dag.add_node(one, "of_dag")
    dag.add_node(one, "own", retry_delay=20)
    dag.submit()
    delays = {}
    for claimed in memory.claim_batch(2):
        memory.ack(claimed.id, error="not yet")
        job = memory.get_job(claimed.id)
        assert job is not None
        assert (job.status, job.execute_after is None, claimed.claimed_at is None) == (
            "delayed",
            False,
            False,
        )
        delays[job.node_name] = (job.execute_after - claimed.claimed_at).total_seconds()  # type: ignore[operator]
    assert 16 <= delays["own"] < 160 <= delays["of_dag"]
    assert dag.progress["ready"] == 2


def test_a_result_that_is_too_large_fails_its_node_and_says_what_to_do(memory: DuckQueue) -> None:
    dag = DAG("large", memory, max_retries=0)
    dag.add_node(bytes, "large", args=(17 * 2**20,))
    assert not dag.execute()
    assert "Write it to a file and return a path" in dag["large"].error


SCRIPT = """
import os, signal, sys, threading
from queuack_dag import DAG, DAGRun
from queuack_store import DuckQueue

seen = []

def work(n):
    seen.append(n)          # a global of this script
    if n == 1 and "interrupt" in sys.argv:
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(0.2)
    return n

if __name__ == "__main__":
    with DuckQueue(sys.argv[1]) as queue:
        dag = DAG("main", queue, run_key="once")
        for n in range(3):
            dag.add_node(work, f"n{n}", args=(n,), depends_on=f"n{n - 1}" if n else None)
        try:
            print(dag.execute(concurrency=1), seen)
        except KeyboardInterrupt:
            print("interrupted", seen, dag.get_progress()["done"], dag.get_progress()["failed"])
"""


def script(folder: Path, *args: str) -> str:
    path = folder / "script.py"
    path.write_text(textwrap.dedent(SCRIPT))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(path), *args], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_functions_of_main_share_its_globals(tmp_path: Path) -> None:
    assert script(tmp_path, ":memory:") == "True [0, 1, 2]"


def test_ctrl_c_stops_cleanly_and_the_run_goes_on_later(tmp_path: Path) -> None:
    path = str(tmp_path / "jobs.db")
    assert script(tmp_path, path, "interrupt") == "interrupted [0, 1] 2 0"
    # What is left runs by value: the function that was stored, with globals of its own.
    assert script(tmp_path, path) == "True []"


def interrupting() -> int:
    os.kill(os.getpid(), signal.SIGINT)
    return 1


def test_ctrl_c_during_the_last_node_is_not_swallowed(memory: DuckQueue) -> None:
    dag = DAG("last", memory)
    dag.add_node(interrupting, "only")
    with pytest.raises(KeyboardInterrupt):
        dag.execute()
    assert dag["only"].attempts == 1
    assert dag.status == "done"
    assert dag.execute() is True


def test_signal_handlers_are_put_back(memory: DuckQueue) -> None:
    before = signal.getsignal(signal.SIGINT)
    dag = DAG("signals", memory)
    dag.add_node(one)
    assert dag.execute()
    assert signal.getsignal(signal.SIGINT) is before


def test_execute_in_another_thread(memory: DuckQueue) -> None:
    dag = DAG("thread", memory)
    dag.add_node(one, "a")
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(dag.execute()))
    thread.start()
    thread.join(60)
    assert seen == [True]


def test_two_runs_side_by_side(shared: DuckQueue) -> None:
    dags = []
    for number in range(3):
        dag = DAG(f"side{number}", shared, validate=False)
        for i in range(50):
            dag.add_node(echo, f"n{i}", args=(i,), depends_on=f"n{i - 1}" if i % 5 else None)
        dags.append(dag)
    threads = [threading.Thread(target=dag.execute) for dag in dags]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(dag.status == "done" for dag in dags)


def test_eight_threads_run_side_by_side_and_functions_share_globals(memory: DuckQueue) -> None:
    barrier = threading.Barrier(8)
    _shared["barrier"] = barrier
    dag = DAG("wide", memory, validate=False)
    for _ in range(8):
        dag.add_node(meet)
    assert dag.execute(timeout=60)


_shared: dict[str, threading.Barrier] = {}


def meet() -> None:
    _shared["barrier"].wait(30)


def test_wait_for_completion_tells_a_callback(memory: DuckQueue) -> None:
    gate("tell")
    dag = DAG("told", memory)
    dag.add_node(gated, "node", args=("tell",))
    dag.submit()
    seen: list[int] = []

    def told(progress: dict[str, int]) -> None:
        seen.append(progress["running"])
        if progress["running"]:
            GATES["tell"].set()

    with WorkerPool(memory, 1):
        assert BEGUN["tell"].wait(30)
        assert dag.wait_for_completion(30, poll_interval=0.01, callback=told)
    assert seen[0] == 1
    assert seen[-1] == 0
