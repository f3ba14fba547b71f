"""The pytest plugin as its users have it: found by entry point, idle until asked, driven by hand."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from queuack_store import InvalidRequestError, JobFailedError, MissingPackageError, helpers
from queuack_store.testing.manual_queue import ManualQueue

pytest_plugins = ["pytester"]
GUIDE = Path(__file__).parents[3] / "docs" / "testing-your-jobs.md"


def add(a: int, b: int = 0) -> int:
    return a + b


def fail() -> None:
    raise ValueError("no luck")


async def add_later(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


def enqueue_more(context: Any) -> str:
    return str(context.queue.enqueue(add, (5,), queue="inner"))


def test_the_guide_runs_as_it_stands(pytester: pytest.Pytester) -> None:
    blocks = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert [name for name, _ in blocks] == ["test_shop.py", "shop.py", "test_more.py", "conftest.py"]
    for name, code in blocks:
        (pytester.path / name).write_text(code)
    result = pytester.runpytest_subprocess("-q")
    result.assert_outcomes(passed=4)


def test_it_loads_nothing_until_it_is_asked_for(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing_is_loaded():
            assert "queuack_store.testing.pytest_plugin" in sys.modules
            heavy = {"duckdb", "msgspec", "cloudpickle", "queuack_store.queue", "queuack_worker"}
            assert not heavy & set(sys.modules)

        def test_and_now_it_is(queuack_queue):
            assert "queuack_store.queue" in sys.modules
        """
    )
    pytester.runpytest_subprocess("-q", "-p", "no:hypothesispytest").assert_outcomes(passed=2)


def test_each_test_has_a_queue_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(2))
        def test_it_is_empty(queuack_queue, number):
            queuack_queue.enqueue(print)
            assert queuack_queue.stats()["pending"] == 1
        """
    )
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=2)


def test_a_failed_assertion_lists_what_was_enqueued(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(queuack_queue):
            queuack_queue.enqueue(print, ("a",), {"end": ""}, priority=70)
            queuack_queue.enqueue(print, ("c",), delay_seconds=90, tags=["x", "y"])
            queuack_queue.assert_enqueued(print, args=("b",))
        """
    )
    result = pytester.runpytest_subprocess("-q")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*no job of builtins:print('b', [*][*]…)*",
            "*builtins:print('a', end='')*'default'*priority 70",
            "*builtins:print('c')*priority 50, delayed 90 s, tags x, y",
        ]
    )


def test_a_job_that_fails_fails_the_test_with_its_traceback(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def broken():
            raise ValueError("no luck")

        def test_it(queuack_queue):
            queuack_queue.enqueue(broken)
            queuack_queue.drain()
        """
    )
    result = pytester.runpytest_subprocess("-q")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*JobFailedError*broken*failed at attempt 1: ValueError: no luck", "*raise ValueError*"]
    )


def test_drain_runs_all_queues_and_what_comes_of_it(queuack_queue: ManualQueue) -> None:
    first = queuack_queue.enqueue(add, (1,), queue="high")
    second = queuack_queue.enqueue(add_later, (1, 2), depends_on=first)
    third = queuack_queue.enqueue(enqueue_more)
    queuack_queue.enqueue(add, (1,), queue="held")
    queuack_queue.pause("held")
    assert queuack_queue.drain() == 4
    assert (queuack_queue.get_result(first), queuack_queue.get_result(second)) == (1, 3)
    assert queuack_queue.get_result(queuack_queue.get_result(third)) == 5
    assert queuack_queue.stats("held")["pending"] == 1
    assert queuack_queue.drain() == 0


def test_failures_are_retried_when_their_time_has_come(queuack_queue: ManualQueue) -> None:
    job_id = queuack_queue.enqueue(fail, max_attempts=2, retry_delay=100, retry_jitter=0)
    with pytest.raises(
        JobFailedError, match=r"test_pytest_plugin:fail\) failed at attempt 1: ValueError"
    ) as caught:
        queuack_queue.drain()
    assert "raise ValueError" in caught.value.traceback
    queuack_queue.advance(99)
    assert queuack_queue.drain() == 0
    queuack_queue.advance(timedelta(seconds=1))
    assert queuack_queue.drain(raise_errors=False) == 1
    assert [job.id for job in queuack_queue.list_dead_letters()] == [job_id]


def test_time_goes_on_only_by_hand(queuack_queue: ManualQueue) -> None:
    start = queuack_queue.clock.now()
    late = queuack_queue.enqueue(add, (1,), delay_seconds=3_600)
    short = queuack_queue.enqueue(add, (1,), expires=60)
    queuack_queue.advance(61)
    assert queuack_queue.stats()["skipped"] == 1
    assert queuack_queue.drain() == 0
    queuack_queue.advance(3_600)
    assert queuack_queue.clock.now() - start == 3_661
    assert queuack_queue.drain() == 1
    assert queuack_queue.get_result(late) == 1
    assert [row[0] for row in queuack_queue.sql("SELECT id::VARCHAR FROM jobs WHERE status = 'skipped'")] == [
        short
    ]
    with pytest.raises(InvalidRequestError):
        queuack_queue.advance(-1)


def test_assert_enqueued_compares_what_it_is_given(queuack_queue: ManualQueue) -> None:
    queue = queuack_queue
    one = queue.enqueue(add, (1,), {"b": 2}, queue="q", priority=70, tags=["x", "y"])
    two, three = queue.enqueue_batch([(add, (1,), {"b": 2}), (add, (3,), {})])
    later = queue.enqueue(add, (1,), delay_seconds=60)
    refused: list[dict[str, Any]] = [
        {"args": (9,)}, {"kwargs": {"b": 9}}, {"queue": "z"}, {"priority": 1}, {"tags": ["z"]}, {"count": 3},
        {"delay_seconds": 5}, {"args": (1,), "kwargs": {}, "delay_seconds": 0}, {"count": 0},
    ]  # fmt: skip
    for asked in refused:
        with pytest.raises(AssertionError):
            queue.assert_enqueued(add, **asked)
    assert queue.assert_enqueued(add) == [one, two, three, later]
    assert queue.assert_enqueued(add, args=[1], kwargs={"b": 2}) == [one, two]
    assert queue.assert_enqueued(add, queue="q", priority=70, tags=["y"], count=1) == [one]
    assert queue.assert_enqueued(add, delay_seconds=timedelta(minutes=1)) == [later]
    assert queue.assert_enqueued(fail, count=0) == []
    queue.drain()
    assert queue.assert_enqueued(add, args=(3,)) == [three], "jobs that ran still count"
    with pytest.raises(AssertionError, match="no job of nowhere:f was enqueued"):
        queue.assert_enqueued("nowhere:f")


def test_lambdas_and_nodes_of_dags_count_too(queuack_queue: ManualQueue) -> None:
    double: Callable[[int], int] = lambda n: 2 * n  # noqa: E731
    queuack_queue.enqueue(double, (4,))
    queuack_queue.assert_enqueued(double, args=(4,), count=1)
    with queuack_queue.dag("d") as dag:
        node = dag.add_node(add, "n", args=(1,))
    assert queuack_queue.assert_enqueued(add, args=(1,)) == [node]


def test_without_the_worker_drain_says_what_to_install(
    queuack_queue: ManualQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(group: str, name: str) -> Any:
        raise MissingPackageError(f"{group}: pip install queuack-worker")

    monkeypatch.setattr(helpers, "load", missing)
    queuack_queue.enqueue(add, (1,))
    with pytest.raises(MissingPackageError, match="pip install queuack-worker"):
        queuack_queue.drain()


def test_it_can_be_left_out(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(queuack_queue): pass")
    pytester.runpytest_subprocess("-q", "-p", "no:queuack").assert_outcomes(errors=1)


def test_json_ref_works_too() -> None:
    with ManualQueue(serialization="json_ref") as queue:
        job = queue.enqueue(add, (1, 2))
        queue.assert_enqueued(add, args=(1, 2))
        assert queue.drain() == 1
        assert queue.get_result(job) == 3
