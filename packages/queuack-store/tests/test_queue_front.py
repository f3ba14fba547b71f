"""DuckQueue's own side: exports, paths, the `job` decorator, the default queue, helpers and forks."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pkgutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import queuack_store
from queuack_store import (
    ClaimLostError,
    DuckQueue,
    InvalidRequestError,
    Job,
    JobFunction,
    MissingPackageError,
    QueuackError,
    StoreClosedError,
    close_default_queue,
    errors,
    get_default_queue,
    helpers,
    job,
)
from queuack_store.retry import RetryPolicy
from queuack_store.testing.clock import ManualClock
from queuack_store.testing.tasks import echo


@pytest.fixture
def queue() -> Iterator[DuckQueue]:
    with DuckQueue(":memory:") as queue:
        yield queue


class TestExports:
    """The package's face."""

    def test_the_names_are_pinned(self) -> None:
        expected = {name for name, kind in vars(errors).items() if isinstance(kind, type)} - {
            "Any",
            "ClassVar",
        }
        expected |= {
            "DependencyMode",
            "DuckQueue",
            "Job",
            "JobFunction",
            "JobLog",
            "JobProgress",
            "JobStatus",
            "Rows",
            "Store",
        }
        expected |= {
            "Diagnosis",
            "Finding",
            "close_default_queue",
            "doctor",
            "get_default_queue",
            "job",
            "repair",
        }
        assert set(queuack_store.__all__) == expected
        assert queuack_store.__all__ == sorted(queuack_store.__all__)
        assert set(dir(queuack_store)) >= expected

    def test_every_name_leads_somewhere(self) -> None:
        for name in queuack_store.__all__:
            assert getattr(queuack_store, name) is not None
        with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
            queuack_store.nonsense  # noqa: B018

    def test_no_module_bears_an_exported_name(self) -> None:
        modules = {module.name for module in pkgutil.iter_modules(queuack_store.__path__)}
        assert not modules & set(queuack_store.__all__)
        assert callable(job)

    def test_importing_is_light(self) -> None:
        code = (
            "import sys, json, queuack_store; from queuack_store import DuckQueue, job, get_default_queue\n"
            "print(json.dumps(sorted(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        heavy = {
            "duckdb",
            "cloudpickle",
            "asyncio",
            "pyarrow",
            "numpy",
            "pandas",
            "polars",
            "importlib.metadata",
        }
        assert not heavy & set(json.loads(done.stdout))

    def test_every_public_thing_says_what_it_does(self) -> None:
        for name, member in inspect.getmembers(DuckQueue):
            if not name.startswith("_") and callable(member):
                assert member.__doc__, name

    def test_help_shows_what_a_call_returns(self) -> None:
        assert inspect.signature(DuckQueue.enqueue).return_annotation == "str"
        assert str(inspect.signature(DuckQueue.aenqueue).parameters) == str(
            inspect.signature(DuckQueue.enqueue).parameters
        )
        assert DuckQueue.await_result.__name__ == "await_result"

    def test_the_documented_signatures(self) -> None:
        defaults = {
            name: {p.name: p.default for p in inspect.signature(getattr(DuckQueue, name)).parameters.values()}
            for name in (
                "__init__",
                "enqueue",
                "enqueue_batch",
                "claim",
                "claim_batch",
                "ack",
                "nack",
                "purge",
            )
        }
        made = defaults["__init__"]
        assert list(made)[1:7] == [
            "db_path", "default_queue", "workers_num", "worker_concurrency", "poll_timeout", "serialization",
        ]  # fmt: skip
        assert (made["db_path"], made["default_queue"], made["owner"]) == (
            "duckqueue.db",
            "default",
            "process",
        )
        assert (made["workers_num"], made["worker_concurrency"], made["poll_timeout"]) == (None, 1, 1.0)
        assert list(defaults["enqueue"])[1:12] == [
            "func", "args", "kwargs", "queue", "priority", "delay_seconds", "max_attempts", "timeout_seconds",
            "check_backpressure", "depends_on", "dependency_mode",
        ]  # fmt: skip
        assert list(defaults["enqueue_batch"])[2:5] == ["queue", "priority", "max_attempts"]
        assert list(defaults["claim"])[1:] == ["queue", "worker_id", "claim_timeout"]
        assert list(defaults["claim_batch"])[1] == "count"
        assert list(defaults["ack"])[1:] == ["job_id", "result", "error", "worker_id"]
        assert defaults["nack"]["requeue"] is True
        assert (defaults["purge"]["status"], defaults["purge"]["older_than_hours"]) == ("done", 24)


class TestPaths:
    """Where the file is."""

    def test_a_relative_path_is_resolved_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with DuckQueue("jobs.db", owner="inline") as queue:
            monkeypatch.chdir("/")
            assert queue.db_path == str(tmp_path / "jobs.db")
            queue.enqueue(echo)
        assert (tmp_path / "jobs.db").exists()

    def test_a_path_object_serves(self, tmp_path: Path) -> None:
        with DuckQueue(tmp_path / "jobs.db", owner="inline") as queue:
            assert queue.db_path == str(tmp_path / "jobs.db")

    def test_other_backends_are_refused_by_name(self) -> None:
        with pytest.raises(InvalidRequestError, match="postgresql://"):
            DuckQueue("postgresql://user@host/db")

    @pytest.mark.parametrize("path", ["", "a\0b", 5, None], ids=repr)
    def test_no_path_is_refused(self, path: Any) -> None:
        with pytest.raises((InvalidRequestError, TypeError)):
            DuckQueue(path)

    def test_memory_is_private(self) -> None:
        with DuckQueue(":memory:") as one, DuckQueue(":memory:") as other:
            one.enqueue(echo)
            assert sum(other.stats().values()) == 0


class TestJobDecorator:
    """Functions with a `delay`."""

    def test_it_stays_callable_and_can_be_sent(self, queue: DuckQueue) -> None:
        @job(queue, queue="mail", priority=80, max_attempts=1)
        def send(to: str, *, body: str = "") -> str:
            """Send."""
            return f"{to}: {body}"

        assert isinstance(send, JobFunction)
        assert send("ann", body="hi") == "ann: hi"
        assert (send.__name__, send.__doc__) == ("send", "Send.")
        job_id = send.delay("bob", body="yo")
        found = queue.claim("mail")
        assert found is not None
        assert (found.id, found.priority, found.max_attempts) == (job_id, 80, 1)
        assert found.execute() == "bob: yo"

    def test_its_mistakes_are_those_of_enqueue(self, queue: DuckQueue) -> None:
        @job(queue, priority=500)
        def never() -> None: ...

        with pytest.raises(InvalidRequestError, match="priority"):
            never.delay()

    def test_one_of_a_module_goes_by_its_name(
        self, queue: DuckQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "mailing_jobs.py").write_text(
            "from queuack_store import DuckQueue, job\n"
            "queue = DuckQueue(':memory:')\n"
            "@job(queue)\n"
            "def send(to): return to.upper()\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        module = importlib.import_module("mailing_jobs")
        module.send.delay("ann")
        found = module.queue.claim()
        assert (found.task, found.execute()) == ("mailing_jobs:send", "ANN")
        queue.enqueue(echo, (module.send,))
        passed = queue.claim()
        assert passed is not None
        assert passed.execute() is module.send
        module.queue.close()


class TestDefaultQueue:
    """One queue for a program that needs one."""

    @pytest.fixture(autouse=True)
    def closed_after(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.chdir(tmp_path)
        yield
        close_default_queue()

    def test_it_is_one(self, tmp_path: Path) -> None:
        queue = get_default_queue("jobs.db")
        assert get_default_queue("jobs.db") is get_default_queue() is queue
        assert get_default_queue(tmp_path / "jobs.db") is queue
        for other in ("other.db", "duckqueue.db"):
            with pytest.raises(InvalidRequestError, match="close_default_queue"):
                get_default_queue(other)

    def test_closing_makes_room_for_another(self) -> None:
        first = get_default_queue()
        assert first.db_path.endswith("/duckqueue.db")
        close_default_queue()
        close_default_queue()
        with pytest.raises(StoreClosedError):
            first.stats()
        second = get_default_queue(":memory:")
        assert second is not first
        second.close()
        assert get_default_queue(":memory:") is not second


class TestHelpers:
    """What other packages bring."""

    def test_workers_start_in_with_and_stop_on_leaving(self) -> None:
        with DuckQueue(":memory:", workers_num=2, worker_concurrency=2) as queue:
            ids = queue.enqueue_batch([(echo, (i,)) for i in range(20)])
            assert [queue.wait(job_id, 60) for job_id in ids] == list(range(20))
            with pytest.raises(InvalidRequestError, match="run already"):
                queue.start_workers()
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("queuack")]

    def test_workers_start_and_stop_by_hand(self, queue: DuckQueue) -> None:
        queue.stop_workers()
        for _ in range(2):
            queue.start_workers(num_workers=1)
            assert queue.wait(queue.enqueue(echo, ("x",)), 60) == "x"
            queue.stop_workers()
        queue.enqueue(echo)
        assert queue.stats()["pending"] == 1

    def test_a_missing_package_is_named(self, queue: DuckQueue, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: ())
        for call, package in (
            (queue.start_workers, "queuack-worker"),
            (lambda: queue.dag("d"), "queuack-dag"),
            (lambda: queue.create_dag("d"), "queuack-dag"),
        ):
            with pytest.raises(MissingPackageError, match=f"pip install {package}") as caught:
                call()
            assert isinstance(caught.value, ImportError)

    def test_dags_are_made_by_the_entry_points(
        self, queue: DuckQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls: list[Any] = []
        monkeypatch.setattr(
            helpers, "load", lambda group, name: lambda *a, **k: calls.append((group, name, a, k)) or "made"
        )
        assert queue.dag("d", "text") == "made"
        assert queue.create_dag("d", fail_fast=False, timing=True) == "made"
        same = {"queue": queue, "description": "text", "validate": True, "fail_fast": True}
        assert calls[0] == ("queuack.dags", "dag", ("d",), same)
        other = {"queue": queue, "description": None, "validate": True, "fail_fast": False, "timing": True}
        assert calls[1] == ("queuack.dags", "dag", ("d",), other)


class TestForks:
    """A forked child's copy of the handle."""

    def test_the_childs_copy_does_not_hold_the_parents_claims(self, tmp_path: Path) -> None:
        with DuckQueue(tmp_path / "jobs.db") as queue:
            job_id = queue.enqueue(echo, ("x",))
            held = queue.claim()
            assert held is not None
            said = _in_child(lambda: (_name_of_error(queue.ack, held), queue.enqueue(echo, ("child",))))
            assert said[0] == ClaimLostError.__name__
            assert queue.get_job(said[1]) is not None
            queue.ack(held, "mine")
            assert queue.get_result(job_id) == "mine"

    def test_closing_the_childs_copy_leaves_the_parents_workers_alone(self) -> None:
        with DuckQueue(":memory:", workers_num=1) as queue:
            assert _in_child(lambda: _name_of_error(queue.stop_workers)) is None
            assert queue.wait(queue.enqueue(echo, (1,)), 60) == 1


def _in_child(call: Any) -> Any:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, json.dumps(call()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answers:
        answer = answers.read()
    os.waitpid(pid, 0)
    return json.loads(answer)


def _name_of_error(call: Any, *args: Any) -> str | None:
    try:
        call(*args)
    except QueuackError as error:
        return type(error).__name__
    return None


def test_a_job_shows_itself_without_its_payload(queue: DuckQueue) -> None:
    queue.enqueue(echo, ("secret",))
    found = queue.claim()
    assert isinstance(found, Job)
    assert "secret" not in repr(found)
    assert found.id in repr(found)


def test_coroutine_functions_run_to_their_end(queue: DuckQueue) -> None:
    async def later(x: int) -> int:
        return x + 1

    for _ in range(2):
        queue.enqueue(later, (1,))
    first, second = queue.claim_batch(2)
    assert first.execute() == 2

    async def inside_a_loop() -> int:
        return second.execute()  # type: ignore[no-any-return]

    import asyncio

    assert asyncio.run(inside_a_loop()) == 2


def test_the_retry_options_become_a_policy() -> None:
    from queuack_store.names import retry_policy

    assert retry_policy(None, None, None, None) == RetryPolicy(1.0, 2.0, 0.2, 300.0)
    assert retry_policy(5, None, 0, None) == RetryPolicy(5.0, 2.0, 0.0, 300.0)


def test_the_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(100.0)
    assert clock.now() == clock.now() == 100.0
    assert clock.advance(2.5) == clock.now() == 102.5
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
