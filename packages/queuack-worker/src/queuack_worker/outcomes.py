"""How a job ends, as values: what a job may return to say so, and what the engine is told.

A job that returns `Snooze`, `Cancel`, `Skip` or `Discard` ends that way; any other value is its result.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any

from queuack_store.around import Grown
from queuack_store.jobs import ClaimedJob, Outcome
from queuack_store.payload import encode_result

from queuack_worker.context import TaskContext, get_context
from queuack_worker.errors import (
    JobCancelRequestedError,
    JobInterruptError,
    JobTimeoutError,
    WorkerStoppingError,
)

Usage = tuple[int | None, float | None]  # peak RSS in bytes, seconds of CPU
NO_USAGE: Usage = (None, None)
# Stored with every attempt and shown in lists; with its line on what is left out below the engine's 16,000.
MAX_ERROR_CHARS = 15_900


@dataclass(frozen=True, slots=True)
class Snooze:
    """Return it from a job to be run again later: the attempt is not spent.

    Args:
        seconds: how long to wait at least, 0 or more.
    """

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Cancel:
    """Return it from a job to end it as `cancelled`; its dependants are skipped."""

    reason: str = "cancelled by the job itself"


@dataclass(frozen=True, slots=True)
class Skip:
    """Return it from a job to end it as `skipped`, with the reason; its dependants are skipped, too."""

    reason: str = "skipped by the job itself"


@dataclass(frozen=True, slots=True)
class Discard:
    """Return it from a job to fail it for good: the attempts that are left are not used."""

    reason: str = "discarded by the job itself"


VALUES = (Snooze, Cancel, Skip, Discard)


class Growing:
    """The base of values that a job returns to change the graph around it."""

    def grow(self, context: TaskContext | None) -> Grown:
        """Return the job's result, and what to add to the graph."""
        raise NotImplementedError


def of_result(
    job: ClaimedJob, value: Any, serialization: str, duration_s: float, usage: Usage = NO_USAGE
) -> Outcome:
    """Return the outcome of a job that returned `value`: its result, or what the value stands for.

    A result that can't be stored fails the attempt for good: another one would meet the same.
    """
    if isinstance(value, VALUES):
        return _of_value(job, value, duration_s)
    growth = None
    try:
        if isinstance(value, Growing):
            value = value.grow(get_context())
        if isinstance(value, Grown):
            growth = value.growth
            value = value.result
        result = encode_result(value, serialization, job.task)
    except BaseException as error:  # pickling runs the objects' own code
        return of_error(job, error, duration_s, usage, final=True)
    return Outcome(
        job.id,
        job.claim,
        "done",
        result,
        None,
        None,
        duration_s,
        peak_rss=usage[0],
        cpu_s=usage[1],
        growth=growth,
    )


def _of_value(job: ClaimedJob, value: Snooze | Cancel | Skip | Discard, duration_s: float) -> Outcome:
    if isinstance(value, Snooze):
        delay_s = max(0.0, float(value.seconds))
        return Outcome(job.id, job.claim, "returned", duration_s=duration_s, delay_s=delay_s)
    kind = "cancelled" if isinstance(value, Cancel) else "skipped" if isinstance(value, Skip) else "failed"
    return Outcome(
        job.id, job.claim, kind, error=clip(value.reason), duration_s=duration_s, final=kind == "failed"
    )


def of_error(
    job: ClaimedJob,
    error: BaseException,
    duration_s: float,
    usage: Usage = NO_USAGE,
    final: bool = False,
) -> Outcome:
    """Return the outcome of an attempt that raised, with its message and traceback as text."""
    return Outcome(
        job.id,
        job.claim,
        "failed",
        error=describe(error),
        traceback=trace(error),
        duration_s=duration_s,
        final=final,
        peak_rss=usage[0],
        cpu_s=usage[1],
    )


def of_interrupt(
    job: ClaimedJob, kind: type[JobInterruptError], duration_s: float, traceback: str | None = None
) -> Outcome:
    """Return the outcome of a job that its worker interrupted; `traceback` says where it was, if known."""
    if kind is WorkerStoppingError:
        return Outcome(job.id, job.claim, "returned", duration_s=duration_s)
    if kind is JobTimeoutError:
        error = f"JobTimeoutError: {job.task} ran longer than its timeout of {job.timeout_s:g} s"
    else:
        error = kind.reason
    ended = "cancelled" if kind is JobCancelRequestedError else "failed"
    return Outcome(job.id, job.claim, ended, error=error, traceback=traceback, duration_s=duration_s)


def returned(job: ClaimedJob) -> Outcome:
    """Return the outcome of a job that goes back as if it had never been claimed."""
    return Outcome(job.id, job.claim, "returned")


def describe(error: BaseException) -> str:
    """Return "Type: message", even where the error can't say what it is."""
    name = type(error).__qualname__
    try:
        message = str(error)
    except BaseException as second:
        message = f"<its message can't be read: __str__ raised {type(second).__qualname__}>"
    return clip(f"{name}: {message}" if message else name)


def trace(error: BaseException) -> str:
    """Return the traceback as text, without the worker's own frames and those that hide themselves.

    A function hides its frame as it does for pytest: by a local variable `__tracebackhide__`.
    """
    import traceback  # a worker whose jobs succeed never needs it

    try:
        lines = traceback.format_exception(type(error), error, _own_frames_cut(error.__traceback__))
        return clip("".join(lines))
    except BaseException as second:
        return f"<the traceback can't be formatted: {type(second).__qualname__}>"


def _own_frames_cut(tb: TracebackType | None) -> TracebackType | None:
    kept = tb
    while kept is not None and kept.tb_frame.f_globals.get("__name__", "").startswith("queuack_worker."):
        kept = kept.tb_next
    if kept is None:
        return tb
    while kept is not None and "__tracebackhide__" in kept.tb_frame.f_code.co_varnames:
        kept = kept.tb_next
    return kept


def clip(text: str) -> str:
    """Return valid text of bounded length: the head and, mostly, the tail, where the cause is."""
    text = str(text).encode("utf-8", "backslashreplace").decode("utf-8")
    if len(text) <= MAX_ERROR_CHARS:
        return text
    head = MAX_ERROR_CHARS // 4
    left_out = len(text) - MAX_ERROR_CHARS
    return f"{text[:head]}\n... {left_out} characters left out ...\n{text[head - MAX_ERROR_CHARS :]}"
