"""`queuack-worker status` from another terminal: who works, what runs and for how long, what waits."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
import worker_jobs
from queuack_store import DuckQueue
from queuack_worker import WorkerPool
from queuack_worker.status import seen

PATIENCE_S = 60.0


def run_status(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "queuack_worker.cli", "status", *map(str, arguments)],
        capture_output=True, text=True, timeout=PATIENCE_S, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip


def test_it_shows_what_two_pools_run(shared, pool_of, signals, tmp_path):
    until = tmp_path / "go"
    pools = [pool_of(1), pool_of(1)]
    held = [shared.enqueue(worker_jobs.hold, args=(signals.address, str(until))) for _ in range(2)]
    pids = {int(signals.wait().split()[0]) for _ in held}
    shared.enqueue_batch([(worker_jobs.nothing, (), None)] * 3, queue="mail")
    shared.pause("mail")
    # That they run is reported once they have run for 2 ms: the job's own word may come before it.
    found = wait_until(lambda: running_of(run_status("--json", shared.db_path).stdout, 2))
    assert {job["job_id"] for job in found["running"]} == set(held)
    assert {job["task"] for job in found["running"]} == {"worker_jobs:hold"}
    assert all(job["seconds"] >= 0 and job["attempt"] == 1 for job in found["running"])
    assert (
        {process["pid"] for process in found["processes"]}
        == pids
        == {p for pool in pools for p in pool.supervisor.pids}
    )
    assert {worker["pid"] for worker in found["workers"]} == {
        os.getpid()
    }  # both supervisors are this test's threads
    assert all(process["rss_bytes"] > 1 << 20 for process in found["processes"])
    (default, mail) = found["queues"]
    assert (default["name"], default["jobs"]) == ("default", {"claimed": 2})
    assert (mail["paused"], mail["jobs"]) == (True, {"pending": 3})
    assert mail["oldest_ready_seconds"] > 0
    shown = run_status(shared.db_path)
    assert shown.returncode == 0, shown.stderr
    for job in held:
        assert job in shown.stdout
    assert "mail (paused)" in shown.stdout
    until.touch()
    for job in held:
        shared.wait(job, timeout=PATIENCE_S)


def running_of(text, count):
    found = json.loads(text)
    found["processes"] = [process for worker in found["workers"] for process in worker["processes"]]
    found["running"] = [job for process in found["processes"] for job in process["running"]]
    return found if len(found["running"]) == count else None


def wait_until(look):
    for _ in range(60):
        if (value := look()) is not None:
            return value
    raise AssertionError("it never came")


def test_workers_in_threads_are_shown_by_their_process(tmp_path):
    with DuckQueue(tmp_path / "q.db") as queue, DuckQueue(tmp_path / "q.db") as other, WorkerPool(queue, 1):
        queue.wait(queue.enqueue(worker_jobs.nothing), timeout=PATIENCE_S)
        found = seen(other)
    (worker,) = found["workers"]
    assert worker["pid"] == os.getpid()
    (process,) = worker["processes"]
    assert (process["running"], process["claimed"], process["queues"]) == ([], 0, ["default"])


def test_a_queue_that_nobody_works_on(tmp_path):
    DuckQueue(tmp_path / "q.db").close()
    shown = run_status(tmp_path / "q.db")
    assert shown.returncode == 0
    assert "no worker listens" in shown.stdout


@pytest.mark.parametrize("given", [["--json"], []])
def test_no_queue_is_an_error_and_makes_none(tmp_path, given):
    missing = tmp_path / "missing.db"
    done = run_status(missing, *given)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"there is no queue at {missing}" in done.stderr
    assert not missing.exists()


def test_a_worker_held_back_by_the_machine_says_so_to_all_who_ask(shared):
    job = shared.enqueue(worker_jobs.nothing)
    command = [sys.executable, "-m", "queuack_worker.cli", shared.db_path, "--processes", "1", "--no-metrics"]
    with subprocess.Popen([*command, "--max-memory-percent", "1"], stderr=subprocess.PIPE) as worker:
        try:
            why = wait_until(lambda: held_back(run_status("--json", shared.db_path).stdout))
            assert re.fullmatch(r"memory \d+% used, limit 1%", why)
            found = shared.why(job)
            assert (found["reason"], found["status"]) == ("resource_check", "pending")
            assert [re.sub(r"\d+%", "N%", held["reason"]) for held in found["held_back"]] == [
                "memory N% used, limit N%"
            ]
            assert "limit 1%" in found["text"]
            assert "claims nothing: memory" in run_status(shared.db_path).stdout
        finally:
            worker.terminate()
            worker.communicate(timeout=PATIENCE_S)
    assert shared.why(job)["reason"] == "no_worker"


def held_back(text):
    found = json.loads(text)
    reasons = [process["held_back"] for worker in found["workers"] for process in worker["processes"]]
    return reasons[0] if reasons else None
