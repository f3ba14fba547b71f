"""Hooks hear of every job; whatever they do, the jobs go on."""

from __future__ import annotations

import json
import threading

import observed_jobs as jobs
import pytest
import worker_jobs
from queuack_store import ids
from queuack_store.errors import InvalidRequestError
from queuack_store.jobs import ClaimedJob, Outcome
from queuack_worker import JobEvent, Worker, WorkerPool
from queuack_worker.hooks import MAX_WAITING, Hooks

PATIENCE_S = 60.0


class Heard:
    """What hooks in threads of this process heard, in order."""

    def __init__(self):
        self.events = []
        self._changed = threading.Condition()

    def hook(self, name):
        def heard(event):
            with self._changed:
                self.events.append((name, event))
                self._changed.notify_all()

        return heard

    def all(self):
        return {f"on_{name}": self.hook(name) for name in ("start", "success", "failure", "death")}

    def wait(self, count):
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.events) >= count, PATIENCE_S), self.events
        return self.events


def test_a_job_that_fails_once_and_succeeds_and_one_that_dies(memory):
    heard = Heard()
    good = memory.enqueue(worker_jobs.add, args=(1, 2))
    bad = memory.enqueue(worker_jobs.fail, args=("no",), max_attempts=2, retry_delay=0)
    with WorkerPool(memory, 1, **heard.all()):
        memory.wait(good, timeout=PATIENCE_S)
        heard.wait(7)
    told = [(name, event.job_id, event.attempt, event.error) for name, event in heard.events]
    assert told == [
        ("start", good, 1, None), ("success", good, 1, None),
        ("start", bad, 1, None), ("failure", bad, 1, "ValueError: no"),
        ("start", bad, 2, None), ("failure", bad, 2, "ValueError: no"), ("death", bad, 2, "ValueError: no"),
    ]  # fmt: skip
    event = heard.events[-1][1]
    assert isinstance(event, JobEvent)
    assert (event.task, event.queue, event.max_attempts) == ("worker_jobs:fail", "default", 2)
    assert event.duration_seconds >= 0
    assert heard.events[0][1].duration_seconds is None


def test_coroutines_and_timeouts_are_told_too(memory):
    heard = Heard()
    with WorkerPool(memory, 1, **heard.all()):
        memory.wait(memory.enqueue(jobs.log_async, args=("x",)), timeout=PATIENCE_S)
        memory.enqueue(worker_jobs.spin, timeout_seconds=0.1, max_attempts=1)
        heard.wait(5)
    assert [name for name, _ in heard.events] == ["start", "success", "start", "failure", "death"]
    assert heard.events[-1][1].error.startswith("JobTimeoutError")


def test_what_is_handed_back_or_cancelled_is_no_event(memory):
    heard = Heard()
    job = memory.enqueue(worker_jobs.cancel_me)
    with WorkerPool(memory, 1, **heard.all()):
        memory.wait(memory.enqueue(worker_jobs.nothing), timeout=PATIENCE_S)
    assert memory.get_job(job).status == "cancelled"
    assert [name for name, _ in heard.events] == ["start", "start", "success"]


@pytest.mark.parametrize("breaks", [ValueError("broken"), SystemExit(3), KeyboardInterrupt()])
def test_a_hook_that_raises_is_logged_and_hurts_nobody(memory, caplog, breaks):
    heard = Heard()

    def broken(event):
        raise breaks

    with WorkerPool(memory, 1, on_start=broken, on_success=heard.hook("success")):
        for n in range(3):
            assert memory.wait(memory.enqueue(worker_jobs.add, args=(n, 1)), timeout=PATIENCE_S) == n + 1
        heard.wait(3)
    lines = [r for r in caplog.records if r.name == "queuack.hooks"]
    assert len(lines) == 3
    assert "on_start failed on job" in lines[0].getMessage()


def test_a_hook_that_hangs_holds_up_no_job_and_not_the_end(memory, caplog):
    release = threading.Event()
    hooks = Hooks({"on_start": lambda _event: release.wait(PATIENCE_S)})
    hooks.start()
    for _ in range(MAX_WAITING + 10):
        hooks.started(a_job(0))
    assert "too slow" in caplog.text
    hooks.stop(0.05)
    assert "were not told" in caplog.text
    release.set()


def test_each_event_that_finds_the_hooks_asleep_wakes_them():
    heard = threading.Semaphore(0)
    hooks = Hooks({"on_start": lambda _event: heard.release()})
    hooks.start()
    for n in range(100):
        hooks.started(a_job(n))
        assert heard.acquire(timeout=PATIENCE_S)
    hooks.stop(PATIENCE_S)
    assert not heard.acquire(blocking=False)


def test_what_many_threads_told_is_heard_once_and_in_order_at_the_end_at_the_latest():
    told, threads = 500, 8  # together fewer than may wait
    heard = []
    hooks = Hooks({name: lambda event: heard.append(event) for name in ("on_start", "on_success")})
    hooks.start()

    def tell(number):
        for n in range(told):
            job = a_job(number, attempt=n)
            hooks.started(job)
            hooks.ended(job, Outcome(job.id, job.claim, "done", duration_s=1.0))

    tellers = [threading.Thread(target=tell, args=(number,)) for number in range(threads)]
    for teller in tellers:
        teller.start()
    for teller in tellers:
        teller.join()
    hooks.stop(PATIENCE_S)
    for number in range(threads):
        mine = [event for event in heard if event.queue == f"q{number}"]
        assert [event.attempt for event in mine] == [n for n in range(told) for _ in range(2)]
        assert [event.duration_seconds for event in mine] == [None, 1.0] * told
        assert {event.job_id for event in mine} == {ids.to_text(a_job(number).id)}
    assert len(heard) == 2 * told * threads


def test_an_event_names_its_job_and_run_as_the_queue_does():
    job, run = ids.new_ids(2)
    event = JobEvent(job, "m:f", "q", 1, 3, run)
    assert (event.job_id, event.dag_run_id) == (ids.to_text(job), ids.to_text(run))
    assert repr(event) == f"JobEvent(job_id='{ids.to_text(job)}', task='m:f', attempt=1)"
    assert JobEvent(job, "m:f", "q", 1, 3).dag_run_id is None


def a_job(number, attempt=1):
    return ClaimedJob(bytes([number]) * 16, 1, "m:f", b"", f"q{number}", attempt, 3, None)


def test_processes_tell_of_jobs_too_and_of_those_that_died_with_theirs(
    shared, pool_of, tmp_path, monkeypatch
):
    heard = tmp_path / "heard"
    heard.touch()
    monkeypatch.setenv("QUEUACK_TEST_HEARD", str(heard))
    good = shared.enqueue(worker_jobs.pid)
    hooks = {
        "on_start": "observed_jobs:raise_in_hook", "on_success": jobs.write_down,
        "on_failure": "observed_jobs:write_down", "on_death": jobs.write_down,
    }  # fmt: skip
    pool = pool_of(2, hooks=hooks)
    child = shared.wait(good, timeout=PATIENCE_S)
    read_lines(heard, 1)  # a process that is killed takes along what it had not told
    killed = shared.enqueue(jobs.die, max_attempts=1)
    pool.wait_for("child_died")
    lines = read_lines(heard, 3)
    (success,) = [line for line in lines if line["task"] == "pid"]
    assert (success["pid"], success["ran"]) == (child, True)
    deaths = [line for line in lines if line["task"] == "die"]
    assert [(line["job_id"], line["attempt"]) for line in deaths] == [(killed, 1)] * 2  # on_failure, on_death
    assert all("SIGKILL" in line["error"] for line in deaths)
    assert not any(line["ran"] for line in deaths)
    assert shared.get_job(killed).status == "failed"


def test_a_job_that_ends_its_process_itself_is_told_once(shared, pool_of, tmp_path, monkeypatch):
    heard = tmp_path / "heard"
    heard.touch()
    monkeypatch.setenv("QUEUACK_TEST_HEARD", str(heard))
    shared.enqueue(worker_jobs.exit_process, args=(3,), max_attempts=1)
    pool = pool_of(1, hooks={"on_failure": jobs.write_down})
    pool.wait_for("child_died")
    pool.wait_for("child_ready", 2)
    good = shared.enqueue(jobs.die, max_attempts=1)
    pool.wait_for("child_died", 2)
    lines = read_lines(heard, 2)
    assert [line["task"] for line in lines] == ["exit_process", "die"]
    assert shared.get_job(good).status == "failed"


def read_lines(path, count):
    """Return the lines, once there are `count`; more would be wrong and are seen by the caller."""
    again = threading.Event()
    for _ in range(int(PATIENCE_S / 0.05)):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        if len(lines) >= count:
            return lines
        again.wait(0.05)
    raise AssertionError(lines)


@pytest.mark.parametrize("wrong", [5, "module", "module:", ":function", object()])
def test_hooks_that_can_not_be_are_refused_by_name(memory, wrong):
    with pytest.raises(InvalidRequestError, match="on_death"):
        Worker(memory, on_death=wrong)


@pytest.mark.parametrize(
    "missing", ["no_such_module:f", "observed_jobs:no_such_function", "observed_jobs:__doc__"]
)
def test_a_hook_that_can_not_be_imported_is_named(memory, missing):
    with pytest.raises(InvalidRequestError, match=f"on_start: {missing}"):
        WorkerPool(memory, 1, on_start=missing).start()
