"""How functions are called: where the context goes, which errors are final; and worker settings."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import worker_jobs as jobs
from hypothesis import given
from hypothesis import strategies as st
from queuack_store import InvalidRequestError
from queuack_worker.plans import PLAIN, plan_of, with_context
from queuack_worker.settings import Settings, parse_queue_option, parse_queues, parse_size


class Here:
    """Stands for a slot: it has a context."""

    def context(self) -> str:
        return "CONTEXT"


def call(func: Any, *args: Any, **kwargs: Any) -> Any:
    args, kwargs = with_context(plan_of(func), Here(), args, kwargs)  # type: ignore[arg-type]
    return func(*args, **kwargs)


def first(context: Any, a: Any = None) -> Any:
    return context, a


def middle(a: Any, ctx: Any, b: Any = 0) -> Any:
    return a, ctx, b


def with_rest(context: Any, *rest: Any) -> Any:
    return context, rest


def only_rest(*context: Any, **ctx: Any) -> Any:
    return context, ctx


def keyword(*items: Any, context: Any) -> Any:
    return items, context


class Method:
    def method(self, a: Any, context: Any) -> Any:
        return a, context

    @classmethod
    def build(cls, context: Any, a: Any) -> Any:
        return context, a


def test_the_context_takes_its_place() -> None:
    assert call(first, 1) == ("CONTEXT", 1)
    assert call(first) == ("CONTEXT", None)
    assert call(first, "mine", 1) == ("mine", 1)  # the sender filled every place
    assert call(first, context="mine") == ("mine", None)
    assert call(middle, 1) == (1, "CONTEXT", 0)
    assert call(middle, 1, 2) == (1, "CONTEXT", 2)
    assert call(middle, 1, b=2) == (1, "CONTEXT", 2)
    assert call(with_rest, 1, 2) == ("CONTEXT", (1, 2))
    assert call(only_rest, 1, x=2) == ((1,), {"x": 2})
    assert call(keyword, 1, 2) == ((1, 2), "CONTEXT")
    assert call(Method().method, 1) == (1, "CONTEXT")
    assert call(Method.build, 1) == ("CONTEXT", 1)
    assert call(functools.partial(middle, 1), b=5) == (1, "CONTEXT", 5)
    assert call(lambda ctx: ctx) == "CONTEXT"


def test_functions_without_a_context_share_one_plan() -> None:
    assert plan_of(jobs.add) is PLAIN
    assert plan_of(len) is not None
    assert plan_of(jobs.doubled).target is not None


def test_rules_say_which_errors_are_final() -> None:
    assert plan_of(jobs.never_again).final(ValueError())
    assert not plan_of(jobs.never_again).final(KeyError())
    assert plan_of(jobs.only_os_errors).final(KeyError())
    assert not plan_of(jobs.only_os_errors).final(ConnectionError())
    assert not PLAIN.final(ValueError())


def test_queues_are_sorted_by_weight() -> None:
    assert parse_queues(None, "mine") == (("mine", 50),)
    assert parse_queues("one", "default") == (("one", 50),)
    assert parse_queues(["a", ("b", 90), ("c", 10)], "default") == (("b", 90), ("a", 50), ("c", 10))
    assert parse_queue_option("high:100, default,low:10") == [("high", 100), "default", ("low", 10)]
    with pytest.raises(InvalidRequestError, match="whole number"):
        parse_queue_option("high:x")


@pytest.mark.parametrize(
    ("text", "size"), [("512", 512), ("1K", 1024), ("2MB", 2 << 20), ("1.5GiB", 3 << 29), ("1 t", 1 << 40)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@given(st.text(alphabet="0123456789.KMGTiB- ", max_size=8))
def test_a_size_is_read_or_refused(text: str) -> None:
    try:
        assert parse_size(text) >= 0
    except InvalidRequestError:
        pass


def test_settings_have_the_documented_defaults() -> None:
    settings = Settings((("default", 50),))
    assert (settings.claim_timeout_s, settings.heartbeat_s) == (15.0, 5.0)
    assert (settings.shutdown_timeout_s, settings.grace_s) == (30.0, 5.0)
    assert (settings.async_concurrency, settings.batch_size) == (100, 5)
