"""Decorators for task functions: coroutines called as functions, timing, retries. Types pass through."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from queuack_store.clock import monotonic
from queuack_store.errors import InvalidRequestError

from queuack_worker.errors import JobInterruptError
from queuack_worker.plans import COROUTINE_ATTRIBUTE, RULES_ATTRIBUTE, ErrorTypes

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

log = logging.getLogger("queuack.tasks")
_NAP_S = 0.1  # an interrupt reaches a sleeping thread when its sleep ends
ErrorsLike = type[BaseException] | Iterable[type[BaseException]]


def async_task(func: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
    """Make a coroutine function callable like a plain one, in a job or out of it.

    As a job it runs on its worker's event loop, beside others. Called directly it runs to its end and
    returns its result; where a loop already runs in this thread (a notebook), on a helper thread.
    """

    @wraps(func)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return run_to_end(func(*args, **kwargs))

    setattr(run, COROUTINE_ATTRIBUTE, (run, func))
    return run


def run_to_end(body: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine and return what it returns, also where a loop runs in this thread already."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(body)
    from concurrent.futures import ThreadPoolExecutor
    from contextvars import copy_context

    with ThreadPoolExecutor(1) as helper:
        return helper.submit(copy_context().run, asyncio.run, body).result()


def timed_task(func: Callable[P, R]) -> Callable[P, R]:
    """Log how long each call took, at level INFO on the logger "queuack.tasks"; failures say so."""
    name = getattr(func, "__name__", repr(func))

    def done(began: float, error: BaseException | None) -> None:
        outcome = "took" if error is None else f"failed with {type(error).__name__} after"
        log.info("%s %s %.3f s", name, outcome, monotonic() - began)

    if inspect.iscoroutinefunction(func):

        @wraps(func)
        async def timed_async(*args: Any, **kwargs: Any) -> Any:
            began = monotonic()
            try:
                value = await func(*args, **kwargs)
            except BaseException as error:
                done(began, error)
                raise
            done(began, None)
            return value

        return cast("Callable[P, R]", timed_async)

    @wraps(func)
    def timed(*args: P.args, **kwargs: P.kwargs) -> R:
        began = monotonic()
        try:
            value = func(*args, **kwargs)
        except BaseException as error:
            done(began, error)
            raise
        done(began, None)
        return value

    return timed


def retry_task(
    max_attempts: int = 3,
    delay: float = 1.0,
    backoff: float = 2.0,
    *,
    retry_on: ErrorsLike | None = None,
    no_retry_on: ErrorsLike = (),
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Call the function again when it raises, within the same attempt of its job.

    For errors that pass within seconds; the queue's own attempts come on top. An interrupt (time-out,
    cancel) is never retried.

    Args:
        max_attempts: calls at most, 3 by default.
        delay: seconds before the second call, 1 by default. backoff: factor from wait to wait, 2.
        retry_on: only these errors are retried, here and by the queue; default: every Exception.
        no_retry_on: these are not, neither here nor by the queue.

    Raises:
        InvalidRequestError: a number out of range.
    """
    if max_attempts < 1 or delay < 0 or backoff <= 0:
        raise InvalidRequestError(
            f"retry_task(max_attempts={max_attempts}, delay={delay}, backoff={backoff}): give at least one "
            "attempt, a delay of 0 or more and a backoff above 0"
        )
    rules = _rules(retry_on, no_retry_on)

    def passes(error: BaseException, attempt: int) -> bool:
        if attempt >= max_attempts or isinstance(error, (JobInterruptError, *rules[1])):
            return False
        return isinstance(error, rules[0] or Exception)

    def decorate(func: Callable[P, R]) -> Callable[P, R]:
        if inspect.iscoroutinefunction(func):

            @wraps(func)
            async def again_async(*args: Any, **kwargs: Any) -> Any:
                import asyncio

                attempt = 1
                while True:
                    try:
                        return await func(*args, **kwargs)
                    except Exception as error:
                        if not passes(error, attempt):
                            raise
                    await asyncio.sleep(delay * backoff ** (attempt - 1))
                    attempt += 1

            return cast("Callable[P, R]", _marked(again_async, rules))

        @wraps(func)
        def again(*args: P.args, **kwargs: P.kwargs) -> R:
            attempt = 1
            while True:
                try:
                    return func(*args, **kwargs)
                except Exception as error:
                    if not passes(error, attempt):
                        raise
                _sleep(delay * backoff ** (attempt - 1))
                attempt += 1

        return cast("Callable[P, R]", _marked(again, rules))

    return decorate


def retry_rules(*, retry_on: ErrorsLike | None = None, no_retry_on: ErrorsLike = ()) -> Callable[[F], F]:
    """Say which errors are worth another attempt of the job; the others fail it for good.

    Args:
        retry_on: an exception type or several; default: all of them.
        no_retry_on: these never, even where `retry_on` includes them.
    """
    rules = _rules(retry_on, no_retry_on)

    def decorate(func: F) -> F:
        return cast("F", _marked(func, rules))

    return decorate


def _marked(func: Any, rules: tuple[ErrorTypes | None, ErrorTypes]) -> Any:
    if rules != (None, ()):
        setattr(func, RULES_ATTRIBUTE, rules)
    return func


def _rules(retry_on: ErrorsLike | None, no_retry_on: ErrorsLike) -> tuple[ErrorTypes | None, ErrorTypes]:
    return (None if retry_on is None else _types(retry_on)), _types(no_retry_on)


def _types(errors: ErrorsLike) -> ErrorTypes:
    found = (errors,) if isinstance(errors, type) else tuple(errors)
    for kind in found:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise InvalidRequestError(f"{kind!r} is no exception type")
    return found


def _sleep(seconds: float) -> None:
    ends_at = monotonic() + seconds
    while (left := ends_at - monotonic()) > 0:
        time.sleep(min(left, _NAP_S))
