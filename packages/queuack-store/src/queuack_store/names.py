"""Whether what a caller gave is allowed: names, numbers and paths, each with an error that says what is.

Everything here raises `InvalidRequestError`, before anything is sent.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from queuack_store.errors import InvalidRequestError
from queuack_store.retry import DEFAULT_RETRY, RetryPolicy
from queuack_store.states import ENDED, DependencyMode

MAX_PRIORITY = 100
MAX_ATTEMPTS = 1_000_000  # a typing error, not a policy
MAX_SECONDS = 10 * 366 * 86_400.0  # ten years; DuckDB's and Python's dates stay far away
MAX_TAGS = 16
MAX_LABEL = 256  # characters of a worker's label
MEMORY = ":memory:"

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_MODES = {mode.value: mode.value for mode in DependencyMode}
_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_AGE = re.compile(r"(?P<number>\d+(\.\d+)?) ?(?P<unit>[smhdw])")


def queue_name(name: object, what: str = "queue") -> str:
    """Return a queue's (or tag's) name: 1 to 128 letters, digits, `_`, `.` or `-`."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return str(name)
    raise InvalidRequestError(
        f"{name!r:.200} is no {what} name: use 1 to 128 of the characters A-Z a-z 0-9 _ . -", what=what
    )


def whole(value: object, what: str, low: int, high: int) -> int:
    """Return `value` as an int between `low` and `high`; a bool or a float is refused."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InvalidRequestError(f"{what} must be a whole number, not {value!r:.200}", what=what)
    number = int(value.__index__())
    if not low <= number <= high:
        raise InvalidRequestError(
            f"{what} must be from {low} to {high:,}, not {number}", what=what, low=low, high=high
        )
    return number


def priority(value: object) -> int:
    """Return a priority: 0 to 100, higher runs sooner."""
    if value.__class__ is int and 0 <= value <= MAX_PRIORITY:
        return value
    return whole(value, "priority", 0, MAX_PRIORITY)


def seconds(value: object, what: str, *, positive: bool = False) -> float:
    """Return a duration in seconds, at least 0 (or more than 0); a timedelta serves as well."""
    number: Any = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not hasattr(number, "__float__"):
        raise InvalidRequestError(f"{what} must be seconds, not {value!r:.200}", what=what)
    number = float(number)
    if not 0 <= number <= MAX_SECONDS or (positive and number == 0):  # NaN fails the comparison
        bound = "more than 0" if positive else "0 or more"
        raise InvalidRequestError(
            f"{what} must be {bound} seconds (at most 10 years), not {value!r}", what=what
        )
    return number  # type: ignore[no-any-return]


def optional_seconds(value: object, what: str) -> float | None:
    """Return None, or a duration of more than 0 seconds."""
    return None if value is None else seconds(value, what, positive=True)


def age(value: object, what: str) -> float:
    """Return how old something may become, in seconds: a number, a timedelta, or text such as "7d"."""
    if isinstance(value, str):
        found = _AGE.fullmatch(value.strip())
        if found is None:
            raise InvalidRequestError(
                f"{what} must be an age such as '90s', '30m', '12h', '7d' or '2w', not {value!r:.200}",
                what=what,
            )
        value = float(found["number"]) * _UNITS[found["unit"]]
    return seconds(value, what, positive=True)


def retention(ages: object) -> dict[str, float]:
    """Return how long jobs are kept after their end, in seconds by status; None (or no entry): for ever."""
    if not isinstance(ages, Mapping):
        raise InvalidRequestError(
            f"retain must be a dict such as {{'done': '7d', 'failed': '30d'}}, not {ages!r:.200}"
        )
    return {
        ended_status(status): age(limit, f"retain[{status!r}]")
        for status, limit in ages.items()
        if limit is not None
    }


def mode(value: object) -> str:
    """Return a dependency mode as its plain string."""
    if isinstance(value, str) and value in _MODES:
        return _MODES[value]
    raise InvalidRequestError(f"{value!r:.200} is no dependency_mode: use one of {sorted(_MODES)}")


def ended_status(value: object) -> str:
    """Return a status in which a job has ended, as its plain string."""
    if isinstance(value, str) and value in ENDED:
        return str.__str__(value)
    raise InvalidRequestError(
        f"only jobs that have ended can be purged: {value!r:.200} is not in {sorted(ENDED)}"
    )


def tags(values: Iterable[str]) -> tuple[str, ...]:
    """Return tags: at most 16 names, each once."""
    if isinstance(values, str):
        raise InvalidRequestError(f"tags must be a list of names, not the text {values!r:.200}")
    found = tuple(dict.fromkeys(queue_name(tag, "tag") for tag in values))
    if len(found) > MAX_TAGS:
        raise InvalidRequestError(
            f"{len(found)} tags are too many: a job has at most {MAX_TAGS}", limit=MAX_TAGS
        )
    return found


def retry_policy(
    delay: float | None, backoff: float | None, jitter: float | None, cap: float | None
) -> RetryPolicy:
    """Return the waiting time between attempts; None takes the default of each part."""
    if delay is None and backoff is None and jitter is None and cap is None:
        return DEFAULT_RETRY
    default = DEFAULT_RETRY
    factor = default.factor if backoff is None else float(backoff)
    share = default.jitter if jitter is None else float(jitter)
    if not (math.isfinite(factor) and factor >= 1):
        raise InvalidRequestError(f"retry_backoff must be a factor of 1 or more, not {backoff!r}")
    if not 0 <= share <= 1:
        raise InvalidRequestError(f"retry_jitter must be a share from 0 to 1, not {jitter!r}")
    return RetryPolicy(
        default.delay_s if delay is None else seconds(delay, "retry_delay"),
        factor,
        share,
        default.cap_s if cap is None else seconds(cap, "retry_cap"),
    )


def label(value: object) -> str:
    """Return a worker's label as text; by default this machine and process."""
    if value is None:
        return f"{os.uname().nodename}:{os.getpid()}"
    text = str(value)
    if not text or len(text) > MAX_LABEL or not text.isprintable():
        raise InvalidRequestError(
            f"worker_id must be 1 to {MAX_LABEL} printable characters, not {text!r:.300}"
        )
    return text


def database_path(value: str | os.PathLike[str]) -> str:
    """Return ":memory:" or an absolute path; a relative one is taken from the folder of this moment.

    A URL stays as it is: opening.py knows which backends there are.
    """
    path = os.fspath(value)
    if not isinstance(path, str) or not path or "\0" in path:
        raise InvalidRequestError(f"{value!r:.200} is no path of a database: give a file name or ':memory:'")
    if path == MEMORY or _SCHEME.match(path):
        return path
    return os.path.abspath(path)
