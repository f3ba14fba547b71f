"""Enqueueing: from functions and arguments to jobs on their way."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any

from queuack_store import names
from queuack_store.calls import Handle, Pending, answered, awaited, raw_id
from queuack_store.errors import InvalidRequestError
from queuack_store.ids import new_id, new_ids, to_text, to_texts
from queuack_store.jobs import DEFAULT_MAX_ATTEMPTS, DEFAULT_PRIORITY, DEFAULT_TIMEOUT_S, NewJob, Thresholds
from queuack_store.payload import CallEncoder
from queuack_store.requests import MAX_BATCH_BYTES, MAX_BATCH_JOBS, Enqueue, Enqueued
from queuack_store.views import Job

DEFAULT_WARNING_THRESHOLD = 1_000
DEFAULT_BLOCK_THRESHOLD = 10_000

Call = tuple[Any, ...]
"""(func,), (func, args) or (func, args, kwargs)."""

_log = logging.getLogger("queuack.store")


class Producing(Handle):
    """The part of a queue that takes jobs in."""

    @classmethod
    def backpressure_warning_threshold(cls) -> int:
        """Return from how many pending and delayed jobs of its queue `enqueue` warns (1,000)."""
        return DEFAULT_WARNING_THRESHOLD

    @classmethod
    def backpressure_block_threshold(cls) -> int:
        """Return from how many pending and delayed jobs of its queue `enqueue` refuses (10,000)."""
        return DEFAULT_BLOCK_THRESHOLD

    @answered("str")
    def enqueue(
        self,
        func: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        queue: str | None = None,
        priority: int = DEFAULT_PRIORITY,
        delay_seconds: float | timedelta = 0,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
        timeout_seconds: float | None = DEFAULT_TIMEOUT_S,
        check_backpressure: bool = True,
        depends_on: str | Job | Iterable[str | Job] | None = None,
        dependency_mode: str = "all",
        *,
        retry_delay: float | None = None,
        retry_backoff: float | None = None,
        retry_jitter: float | None = None,
        retry_cap: float | None = None,
        tags: Iterable[str] = (),
        expires: float | timedelta | None = None,
    ) -> Pending[str]:
        """Store one job durably and return its id (a UUID).

        A module-level function goes by its name; a function of the running script, a lambda or a
        closure goes by value. The higher `priority` (0 to 100) runs sooner; within one, first in
        first out. An attempt that fails is repeated after `retry_delay` seconds (1), times
        `retry_backoff` (2) for each further one, ± `retry_jitter` (0.2), at most `retry_cap` (300).
        A job that has not started `expires` seconds from now is skipped.

        Args:
            func: what to run. args, kwargs: what to run it with.
            queue: its name; by default the handle's default queue.
            delay_seconds: how long to hold it back. timeout_seconds: of one attempt; None for none.
            max_attempts: how often it may start, 1 or more.
            check_backpressure: False lets it pass the thresholds unchecked.
            depends_on: jobs (ids) that must end first. dependency_mode: "all" must succeed, the first
                success of "any" is enough, or "always": however they end.

        Raises:
            InvalidRequestError: a value out of its bounds. PayloadError: the function or an argument
                can't be stored. UnknownJobError: a parent does not exist.
            BackpressureError: the queue is full.
        """
        name = self._queue(queue)
        rest = _rest(
            name, priority, delay_seconds, max_attempts, timeout_seconds, depends_on, dependency_mode,
            names.retry_policy(retry_delay, retry_backoff, retry_jitter, retry_cap), tags, expires,
        )  # fmt: skip
        task, payload = CallEncoder(self.serialization).encode(func, _positional(args), _named(kwargs))
        raw = new_id()
        limits = None
        if check_backpressure:
            limits = Thresholds(self.backpressure_warning_threshold(), self.backpressure_block_threshold())

        def finish(reply: Enqueued) -> str:
            if reply.depth is not None:
                _warn(name, reply.depth, self.backpressure_block_threshold())
            return to_text(raw)

        return Pending(Enqueue([NewJob(raw, task, payload, *rest)], limits), finish)

    aenqueue = awaited(enqueue, "aenqueue")

    @answered("list[str]")
    def enqueue_batch(
        self,
        jobs: Iterable[Call],
        queue: str | None = None,
        priority: int = DEFAULT_PRIORITY,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
        *,
        delay_seconds: float | timedelta = 0,
        timeout_seconds: float | None = DEFAULT_TIMEOUT_S,
        depends_on: str | Job | Iterable[str | Job] | None = None,
        dependency_mode: str = "all",
        retry_delay: float | None = None,
        retry_backoff: float | None = None,
        retry_jitter: float | None = None,
        retry_cap: float | None = None,
        tags: Iterable[str] = (),
        expires: float | timedelta | None = None,
    ) -> Pending[list[str]]:
        """Store many jobs, all or none, and return their ids in order.

        `jobs` holds (func, args, kwargs) each; args and kwargs may be left out. The other options are
        those of `enqueue` and hold for every job. Backpressure is not checked.

        Raises:
            InvalidRequestError: more than 100,000 jobs or 64 MB: split the batch.
            PayloadError: a call can't be stored; nothing was.
        """
        rest = _rest(
            self._queue(queue), priority, delay_seconds, max_attempts, timeout_seconds, depends_on,
            dependency_mode, names.retry_policy(retry_delay, retry_backoff, retry_jitter, retry_cap), tags,
            expires,
        )  # fmt: skip
        calls = list(islice(jobs, MAX_BATCH_JOBS + 1))
        if len(calls) > MAX_BATCH_JOBS:
            raise InvalidRequestError(
                f"a batch holds at most {MAX_BATCH_JOBS:,} jobs: split it", limit=MAX_BATCH_JOBS
            )
        ids = new_ids(len(calls))
        return Pending(Enqueue(_new_jobs(calls, ids, rest, self.serialization)), lambda _: to_texts(ids))

    aenqueue_batch = awaited(enqueue_batch, "aenqueue_batch")


def _rest(
    queue: str,
    priority: int,
    delay: float | timedelta,
    max_attempts: int,
    timeout: float | None,
    depends_on: str | Job | Iterable[str | Job] | None,
    mode: str,
    retry: Any,
    tags: Iterable[str],
    expires: float | timedelta | None,
) -> tuple[Any, ...]:
    # The fields of NewJob after its payload, in order.
    return (
        queue,
        names.priority(priority),
        names.whole(max_attempts, "max_attempts", 1, names.MAX_ATTEMPTS),
        names.optional_seconds(timeout, "timeout_seconds"),
        names.seconds(delay, "delay_seconds"),
        _parents(depends_on),
        names.mode(mode),
        None,
        None,
        retry,
        names.optional_seconds(expires, "expires"),
        names.tags(tags) if tags else (),
    )


def _parents(depends_on: str | Job | Iterable[str | Job] | None) -> tuple[bytes, ...]:
    if depends_on is None:
        return ()
    if isinstance(depends_on, (str, Job)):
        return (raw_id(depends_on),)
    return tuple(dict.fromkeys(raw_id(parent) for parent in depends_on))


def _positional(args: Any) -> tuple[Any, ...]:
    if args.__class__ is tuple:
        return args
    if isinstance(args, (str, bytes, Mapping)) or not isinstance(args, Iterable):
        raise InvalidRequestError(
            f"args must be a tuple or list of arguments, not {args!r:.200}; one is (x,)"
        )
    return tuple(args)


def _named(kwargs: Any) -> dict[str, Any] | None:
    if not kwargs:
        return None
    if not isinstance(kwargs, Mapping) or not all(isinstance(key, str) for key in kwargs):
        raise InvalidRequestError(f"kwargs must map parameter names to values, not {kwargs!r:.200}")
    return dict(kwargs)


def _new_jobs(calls: list[Call], ids: list[bytes], rest: tuple[Any, ...], serialization: str) -> list[NewJob]:
    # One loop and no helper on the common path: a batch costs its sender 2 to 3 µs a job.
    encode = CallEncoder(serialization).encode
    made: list[NewJob] = []
    size = 0
    for raw, call in zip(ids, calls, strict=True):
        if not isinstance(call, (tuple, list)) or not 1 <= len(call) <= 3:
            raise InvalidRequestError(
                f"item {len(made)} of the batch must be (func, args, kwargs), not {call!r:.200}",
                index=len(made),
            )
        args = call[1] if len(call) > 1 else ()
        if args.__class__ is not tuple:
            args = _positional(args)
        kwargs = call[2] if len(call) > 2 else None
        task, payload = encode(call[0], args, _named(kwargs) if kwargs else None)
        size += len(payload)
        if size > MAX_BATCH_BYTES:
            raise InvalidRequestError(
                f"the first {len(made) + 1:,} jobs of the batch take {size:,} bytes; a batch holds at most "
                f"{MAX_BATCH_BYTES:,}: split it",
                limit=MAX_BATCH_BYTES,
            )
        made.append(NewJob(raw, task, payload, *rest))
    return made


def _warn(queue: str, depth: int, block: int) -> None:
    text = (
        f"queue {queue!r} holds {depth:,} jobs that wait to run, and refuses more from {block:,} on: "
        "start more workers or enqueue less"
    )
    _log.warning(text)
    warnings.warn(text, UserWarning, stacklevel=4)  # the line that called enqueue
