"""The options that a Worker, a WorkerPool and the command share: their names, checks and defaults, once."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict

from queuack_store.errors import InvalidRequestError

from queuack_worker.hooks import HOOKS, checked
from queuack_worker.settings import HookLike, Settings, parse_size, positive

if TYPE_CHECKING:
    from queuack_worker.resources import Limits

MAX_COROUTINES = 10_000
MAX_CHILD_JOBS = 10**9
HEARTBEATS = 3  # in a claim timeout: two may be lost
_PER_CHILD = ("max_jobs_per_child", "max_memory_per_child", "max_memory_per_job")
Spell = Callable[[str], str]


class WorkerOptions(TypedDict, total=False):
    """Options of a worker beside what it claims. Sizes are bytes or text such as "512M"; None is no limit.

    async_concurrency: coroutine jobs at once in a process, 100 by default.
    ageing: seconds after which a waiting job goes before those of heavier queues; default: never.
    shutdown_timeout: seconds that running jobs get when the worker stops, 30 by default.
    grace: seconds that an interrupted job gets to stop, 5 by default.
    claim_timeout: seconds of silence after which a hung process loses its claims, 15 by default.
    max_memory_percent, max_load, min_disk_free: nothing is claimed while the machine uses more of its
        memory, while its 1-minute load per core is higher, while the file's disk has less free.
    max_jobs_per_child, max_memory_per_child: a child process is replaced after so many jobs, or when it
        holds more, between jobs.
    max_memory_per_job: memory that a job in a child process may take (address space, on Linux).
    on_start, on_success, on_failure, on_death: hooks, functions or their names "module:function", called
        with a `JobEvent` when an attempt starts, succeeds, fails, and when a job has failed for good.
    """

    async_concurrency: int
    ageing: float | None
    shutdown_timeout: float
    grace: float
    claim_timeout: float
    max_memory_percent: float | None
    max_load: float | None
    min_disk_free: int | str | None
    max_jobs_per_child: int | None
    max_memory_per_child: int | str | None
    max_memory_per_job: int | str | None
    on_start: HookLike | None
    on_success: HookLike | None
    on_failure: HookLike | None
    on_death: HookLike | None


def settings_with(
    settings: Settings, options: WorkerOptions, processes: bool, spell: Spell = str
) -> Settings:
    """Return the settings with the options in them.

    Args:
        processes: whether jobs run in child processes; some options are for these alone.
        spell: turns an option's name into how the user wrote it, for errors.

    Raises:
        InvalidRequestError: an option that there is not, or a value that can't be.
    """
    known = sorted(WorkerOptions.__annotations__)
    for name in options:
        if name not in known:
            raise InvalidRequestError(f"a worker has no option {name!r}; it has {', '.join(known)}")
    for name in _PER_CHILD:
        if not processes and options.get(name) is not None:
            raise InvalidRequestError(
                f"{spell(name)} is about child processes: give processes= as well, threads can't be limited"
            )
    changes: dict[str, Any] = {}
    for name, field in (
        ("shutdown_timeout", "shutdown_timeout_s"),
        ("grace", "grace_s"),
        ("ageing", "ageing_s"),
    ):
        _take(options, name, changes, field, _seconds, spell)
    _take(options, "claim_timeout", changes, "claim_timeout_s", _above_zero, spell)
    if "claim_timeout_s" in changes:
        changes["heartbeat_s"] = changes["claim_timeout_s"] / HEARTBEATS
    counts = (
        ("async_concurrency", "async_concurrency", MAX_COROUTINES),
        ("max_jobs_per_child", "max_jobs", MAX_CHILD_JOBS),
    )
    for name, field, most in counts:
        _take(options, name, changes, field, partial(positive, most=most), spell)
    for name, field in (("max_memory_per_child", "max_rss"), ("max_memory_per_job", "memory_limit")):
        _take(options, name, changes, field, _size, spell)
    hooks: dict[str, HookLike] = {}
    for name in HOOKS:
        _take(options, name, hooks, name, checked, spell)
    return replace(settings, **changes, hooks=hooks)


def limits_of(options: WorkerOptions, db_path: str, spell: Spell = str) -> Limits | None:
    """Return the machine's limits among the options, or None where there is none.

    Raises:
        InvalidRequestError: a value that can't be.
    """
    found: dict[str, Any] = {}
    _take(options, "max_memory_percent", found, "max_memory_percent", _percent, spell)
    _take(options, "max_load", found, "max_load", _above_zero, spell)
    _take(options, "min_disk_free", found, "min_disk_free", _size, spell)
    if not found:
        return None
    from queuack_worker.resources import Limits

    return Limits(**found, folder="." if db_path == ":memory:" else os.path.dirname(db_path))


def _take(
    options: WorkerOptions,
    name: str,
    into: dict[str, Any],
    field: str,
    check: Callable[[str, Any], Any],
    spell: Spell,
) -> None:
    value = options.get(name)
    if value is not None:
        into[field] = check(spell(name), value)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidRequestError(f"{name} is {value!r}: give a number")
    return float(value)


def _seconds(name: str, value: Any) -> float:
    if _number(name, value) < 0:
        raise InvalidRequestError(f"{name} is {value:g}: give seconds, 0 or more")
    return float(value)


def _above_zero(name: str, value: Any) -> float:
    if _number(name, value) <= 0:
        raise InvalidRequestError(f"{name} is {value:g}: give a number above 0")
    return float(value)


def _percent(name: str, value: Any) -> float:
    if not 0 < _number(name, value) <= 100:
        raise InvalidRequestError(f"{name} is {value:g}: give a percentage above 0, up to 100")
    return float(value)


def _size(name: str, value: Any) -> int:
    size = parse_size(value) if isinstance(value, str) else value
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise InvalidRequestError(f"{name} is {value!r}: give bytes, or a size such as 512M")
    return size
