"""The decorators for task functions."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path

import pytest
import queuack_worker
import worker_jobs as jobs
from queuack_store import DuckQueue, InvalidRequestError
from queuack_worker import JobTimeoutError, WorkerPool, async_task, retry_task, timed_task

WAIT_S = 30.0


def test_async_task_runs_beside_a_running_loop() -> None:
    async def inside() -> tuple[int, int]:
        return jobs.doubled(2), threading.get_ident()

    assert asyncio.run(inside())[0] == 4


def test_async_task_passes_its_error_on() -> None:
    @async_task
    async def broken() -> None:
        raise KeyError("here")

    with pytest.raises(KeyError, match="here"):
        broken()


def test_timed_task_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "queuack.tasks")
    assert jobs.timed(4) == 8
    assert "timed took" in caplog.text

    @timed_task
    async def slow() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(slow())
    assert "slow failed with ValueError" in caplog.text


def test_retry_task_calls_again(tmp_path: Path) -> None:
    assert jobs.flaky(str(tmp_path / "log")) == 3
    calls = []

    @retry_task(max_attempts=2, delay=0, retry_on=OSError)
    def odd(error: type[Exception]) -> None:
        calls.append(error)
        raise error("again?")

    for error, count in ((OSError, 2), (KeyError, 1), (JobTimeoutError, 1)):
        calls.clear()
        with pytest.raises(error):
            odd(error)
        assert len(calls) == count


def test_retry_task_retries_coroutines() -> None:
    calls = []

    @retry_task(delay=0)
    async def later() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionError
        return "there"

    assert asyncio.run(later()) == "there"


@pytest.mark.parametrize("wrong", [{"max_attempts": 0}, {"delay": -1}, {"backoff": 0}])
def test_retry_task_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidRequestError):
        retry_task(**wrong)  # type: ignore[arg-type]


def test_decorated_functions_are_jobs(memory: DuckQueue, tmp_path: Path) -> None:
    with WorkerPool(memory, 1):
        assert memory.wait(memory.enqueue(jobs.timed, (4,)), WAIT_S) == 8
        assert memory.wait(memory.enqueue(jobs.flaky, (str(tmp_path / "log"),)), WAIT_S) == 3


def test_the_exports_are_these() -> None:
    assert queuack_worker.__all__ == sorted(queuack_worker.__all__)
    assert all(getattr(queuack_worker, name).__name__ == name for name in queuack_worker.__all__)
    with pytest.raises(AttributeError):
        _ = queuack_worker.nonsense
