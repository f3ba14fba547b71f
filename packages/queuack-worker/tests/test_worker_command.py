"""`queuack-worker` as a user runs it: in a folder with a module, under signals, and killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from queuack_store import DuckQueue, JobFailedError, JobStatus
from queuack_store.errors import FileReplacedError
from worker_commands import Command
from worker_pools import gone
from worker_signals import Signals

WAIT_S = 60.0

TASKS = """
import ctypes, os, socket, time

def add(a, b):
    return a + b

def hold(address, until):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.sendto(str(os.getpid()).encode(), address)
    while not os.path.exists(until):
        time.sleep(0.005)
    return "held"

def hang(address, flag):
    if os.path.exists(flag):
        return "again"
    open(flag, "w").close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.sendto(str(os.getpid()).encode(), address)
    ctypes.PyDLL(None).sleep(1_000_000)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tasks.py").write_text(TASKS)
    return tmp_path


@pytest.fixture
def tasks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "tasks", raising=False)
    import tasks  # type: ignore[import-not-found]

    yield tasks
    sys.modules.pop("tasks", None)


@pytest.fixture
def queue(folder: Path) -> Iterator[DuckQueue]:
    with DuckQueue(folder / "duckqueue.db") as queue:
        yield queue


def test_it_runs_jobs_of_the_folder_it_stands_in_and_drains(
    folder: Path, queue: DuckQueue, tasks: Any
) -> None:
    command = Command(folder, "--processes", "2", "--queues", "high:100,default")
    assert queue.wait(queue.enqueue(tasks.add, (1, 2)), WAIT_S) == 3
    assert queue.wait(queue.enqueue(tasks.add, (1, 2), queue="high"), WAIT_S) == 3
    command.wait_for("child_ready", 2)
    command.process.send_signal(signal.SIGTERM)
    assert command.end() == 0, command.text
    assert [line["event"] for line in command.lines].count("child_ended") == 2
    assert all({"timestamp", "level", "logger"} <= line.keys() for line in command.lines)


def test_it_finds_the_file_and_other_folders(folder: Path, tmp_path: Path, tasks: Any) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = str(tmp_path / "other.db")
    with DuckQueue(path) as queue:
        command = Command(elsewhere, "-p", "1", "--app", str(folder), db=path)
        assert queue.wait(queue.enqueue(tasks.add, (1, 2)), WAIT_S) == 3
        command.process.send_signal(signal.SIGINT)
        assert command.end() == 0, command.text
    assert not (elsewhere / "duckqueue.db").exists()


def test_the_environment_keeps_it_from_unpickling(
    folder: Path, queue: DuckQueue, tasks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUEUACK_SERIALIZATION", "json_ref")
    command = Command(folder, "-p", "1")
    with DuckQueue(folder / "duckqueue.db", serialization="json_ref") as named:
        assert named.wait(named.enqueue(tasks.add, (1, 2)), WAIT_S) == 3
    with pytest.raises(JobFailedError, match="json_ref"):
        queue.wait(queue.enqueue(lambda: "run from a pickle", max_attempts=1), WAIT_S)
    command.process.send_signal(signal.SIGTERM)
    assert command.end() == 0, command.text


def test_the_first_signal_lets_jobs_finish(
    folder: Path, queue: DuckQueue, tasks: Any, signals: Signals
) -> None:
    command = Command(folder, "-p", "1")
    held = queue.enqueue(tasks.hold, (signals.address, str(folder / "gate")))
    signals.wait()
    rest = [queue.enqueue(tasks.add, (i, i)) for i in range(10)]
    command.process.send_signal(signal.SIGTERM)
    command.wait_for("draining")
    (folder / "gate").touch()
    assert command.end() == 0, command.text
    assert queue.wait(held, WAIT_S) == "held"
    for job_id in rest:
        job = queue.get_job(job_id)
        assert job is not None
        # The child hears of the signal a moment after the supervisor says so: what it ran until then is done.
        assert (job.status, job.attempts) in {(JobStatus.PENDING, 0), (JobStatus.DONE, 1)}


def test_a_second_signal_stops_at_once_and_gives_running_jobs_back(
    folder: Path, queue: DuckQueue, tasks: Any, signals: Signals
) -> None:
    command = Command(folder, "-p", "1")
    held = queue.enqueue(tasks.hold, (signals.address, str(folder / "gate")), max_attempts=1)
    signals.wait()
    command.process.send_signal(signal.SIGINT)
    command.wait_for("draining")
    command.process.send_signal(signal.SIGINT)
    assert command.end() == 130, command.text
    job = queue.get_job(held)
    assert job is not None
    assert (job.status, job.attempts) == (JobStatus.PENDING, 0)


def test_children_of_a_killed_supervisor_drain(
    folder: Path, queue: DuckQueue, tasks: Any, signals: Signals
) -> None:
    command = Command(folder, "-p", "2")
    pids = [line["pid"] for line in command.wait_for("child_ready", 2)]
    held = queue.enqueue(tasks.hold, (signals.address, str(folder / "gate")), max_attempts=1)
    signals.wait()
    command.process.kill()
    command.process.wait(WAIT_S)
    (folder / "gate").touch()
    assert queue.wait(held, WAIT_S) == "held"
    # Their ends of standard error close when they are gone.
    command._reader.join(WAIT_S)
    assert not command._reader.is_alive()
    assert all(gone(pid) for pid in pids)


def test_an_orphan_that_hangs_ends_itself_and_its_job_runs_again(
    folder: Path, queue: DuckQueue, tasks: Any, signals: Signals
) -> None:
    """The supervisor is gone, and C code holds the interpreter: only the watchdog is left."""
    command = Command(folder, "-p", "1", "--claim-timeout", "1")
    job_id = queue.enqueue(tasks.hang, (signals.address, str(folder / "flag")), retry_delay=0)
    orphan = signals.begun()
    command.process.kill()
    command.process.wait(WAIT_S)
    assert gone(orphan)
    second = Command(folder, "-p", "1")
    assert queue.wait(job_id, WAIT_S) == "again"
    assert [attempt["outcome"] for attempt in queue.attempts(job_id)] == ["lost", "done"]
    second.process.send_signal(signal.SIGTERM)
    assert second.end() == 0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--queues", "high:many"], "whole number"),
        (["--processes", "0"], "--processes"),
        (["--max-memory-per-job", "lots"], "no size"),
        (["--log-format", "xml"], "--log-format"),
        (["--grace", "-1"], "--grace"),
        (["--app", "nowhere"], "no such folder"),
        (["--claim-timeout", "0"], "--claim-timeout"),
        (["--max-memory-percent", "400"], "--max-memory-percent"),
        (["--max-jobs-per-child", "0"], "--max-jobs-per-child"),
        (["--nonsense"], "No such option"),
        (["--serialization", "yaml"], "serialization"),
        ([":memory:"], "name a file"),
        (["postgresql://host/jobs"], "not a backend"),
    ],
)
def test_bad_usage_ends_with_2(folder: Path, options: list[str], text: str) -> None:
    command = Command(folder, *options)
    assert command.end() == 2
    assert text in command.text
    assert not list(folder.glob("*:*"))  # no file of that name either


def test_a_file_that_is_no_queue_ends_with_1(folder: Path) -> None:
    (folder / "duckqueue.db").write_bytes(b"not a database" * 2_000)
    command = Command(folder, "-p", "1")
    assert command.end() == 1
    assert "queuack-worker: " in command.text
    assert "Traceback" not in command.text


def test_a_file_that_is_replaced_ends_the_worker_with_1(folder: Path, queue: DuckQueue, tasks: Any) -> None:
    command = Command(folder, "--processes", "2")
    command.wait_for("child_ready", 2)
    assert queue.wait(queue.enqueue(tasks.add, (1, 1)), WAIT_S) == 2
    for file in folder.glob("duckqueue.db*"):
        if not file.is_dir():
            file.unlink()
    with DuckQueue(folder / "duckqueue.db") as new:  # another owner's, at once
        kept = new.enqueue(tasks.add, (2, 2))
        assert command.end() == 1
        assert len(command.wait_for("file_replaced")) == 1
        assert "duckqueue.db was deleted or replaced" in command.text.splitlines()[-1]
        assert "Traceback" not in command.text
        assert new.get_job(kept).status == "pending"  # nobody was told to run the jobs of this file
    with pytest.raises(FileReplacedError):
        queue.close()


def test_a_child_is_light(folder: Path, queue: DuckQueue) -> None:
    heavy = ["duckdb", "structlog", "typer", "rich", "prometheus_client", "psutil", "asyncio", "cloudpickle"]
    code = (
        "import sys, queuack_worker.child, queuack_worker.crew, queuack_store.queue\n"
        f"q = queuack_store.queue.DuckQueue({str(folder / 'duckqueue.db')!r}); q.close()\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


SCRIPT = """
import signal, sys
from queuack_store import DuckQueue
from queuack_worker import Worker

before = signal.getsignal(signal.SIGTERM)
with DuckQueue("duckqueue.db") as queue:
    Worker(queue).run()
assert signal.getsignal(signal.SIGTERM) is before
print("drained")
"""


def test_a_worker_in_a_script_drains_on_a_signal_and_returns(
    folder: Path, queue: DuckQueue, tasks: Any, signals: Signals
) -> None:
    script = subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=folder, stdout=subprocess.PIPE, text=True)
    held = queue.enqueue(tasks.hold, (signals.address, str(folder / "gate")))
    assert signals.begun() == script.pid
    script.send_signal(signal.SIGTERM)
    (folder / "gate").touch()
    output, _ = script.communicate(timeout=WAIT_S)
    assert (script.returncode, output) == (0, "drained\n")
    assert queue.wait(held, WAIT_S) == "held"
