"""Real kills in the middle of a map, of its making and of a resume: nothing is lost, nothing comes twice."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from dag_nodes import Killing, kill_at, kill_or_fail, killing, listed, noted
from queuack_dag import DAG
from queuack_store import DuckQueue

ENDS = """
SELECT count(DISTINCT j.node_name), count(*), count(DISTINCT a.job_id)
FROM jobs j LEFT JOIN job_attempts a ON a.job_id = j.id AND a.outcome = 'done'
WHERE j.node_name LIKE 'score[%'
"""


def check(queue: DuckQueue, dag: DAG, count: int) -> None:
    """Each item exists once and was done once, and all results are there in order."""
    assert dag["score"].result() == list(range(count))
    assert queue.sql(ENDS).fetchone() == (count, count, count)


def test_workers_die_while_items_run(shared: DuckQueue, tmp_path: Path) -> None:
    dag = DAG("killed", shared, max_retries=8, retry_delay=0)
    dag.add_node(range, "extract", args=(60,))
    log = str(tmp_path / "log")
    for victim in (7, 31):
        Path(f"{log}.{victim}.wanted").touch()
    dag.map(kill_at, over="extract", name="score", args=(log,))
    assert dag.execute(processes=2)
    check(shared, dag, 60)
    assert Path(f"{log}.7").exists()
    assert Path(f"{log}.31").exists()


def test_a_worker_dies_while_it_makes_the_items(shared: DuckQueue, tmp_path: Path) -> None:
    # The first kill is in the node that is expanded, the others while later parts are made.
    dag = DAG("killed", shared, max_retries=8, retry_delay=0)
    dag.add_node(killing, "extract", args=(str(tmp_path), 250, [60, 160, 220]))
    dag.map(noted, over="extract", name="score", args=(str(tmp_path / "log"),))
    dag.add_node(listed, "list", depends_on="score")
    assert dag.execute(processes=1)
    check(shared, dag, 250)
    assert len(list(tmp_path.glob("killed*"))) == 3
    ran = [int(line) for line in (tmp_path / "log").read_text().split()]
    assert sorted(set(ran)) == list(range(250))
    assert isinstance(dag["extract"].result(), Killing)


def test_workers_die_in_a_resume(shared: DuckQueue, tmp_path: Path) -> None:
    dag = DAG("killed", shared, max_retries=3, retry_delay=0)
    dag.add_node(range, "extract", args=(40,))
    log, flag = str(tmp_path / "log"), tmp_path / "flag"
    Path(f"{log}.25.wanted").touch()
    dag.map(kill_or_fail, over="extract", name="score", args=(log, str(flag)), max_attempts=2)
    assert dag.execute(processes=2) is False
    done = {int(line) for line in Path(log).read_text().split()}
    assert done == {n for n in range(40) if n % 5}
    flag.touch()
    assert dag.resume() == 8 + 1
    assert dag.execute(processes=2)
    check(shared, dag, 40)
    again = [int(line) for line in Path(log).read_text().split()]
    assert sorted(again) == list(range(40))  # what was done before the resume was not done again


def test_the_owner_dies_while_a_map_is_made_and_run(shared: DuckQueue, tmp_path: Path) -> None:
    dag = DAG("killed", shared, max_retries=8, retry_delay=0)
    dag.add_node(range, "extract", args=(2_000,))
    log = tmp_path / "log"
    dag.map(noted, over="extract", name="score", args=(str(log),))
    lock = Path(f"{shared.db_path}.lock")
    owner = int(lock.read_text().split()[0])
    begun = threading.Event()

    def kill() -> None:
        while not begun.is_set():
            if log.exists():
                os.kill(owner, signal.SIGKILL)
                return
            begun.wait(0.001)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        assert dag.execute()
    finally:
        begun.set()
        killer.join()
    assert int(lock.read_text().split()[0]) != owner
    check(shared, dag, 2_000)
