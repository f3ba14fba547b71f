"""What a worker is asked to do, checked once; the same value goes to threads and to children."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from queuack_store.errors import InvalidRequestError

MAX_CONCURRENCY = 1_000
DEFAULT_DB = "duckqueue.db"
DEFAULT_WEIGHT = 50
DEFAULT_METRICS_PORT = 9_464
_QUEUE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")

HookLike = Callable[[Any], object] | str
QueuesLike = Iterable[str | tuple[str, int]] | str | None


@dataclass(frozen=True, slots=True)
class Settings:
    """A worker's settings. Durations are seconds.

    queues: (name, weight), the heavier first. claim_timeout_s: how long the owner bears its silence.
    grace_s: how long an interrupted job may take to stop. max_held: claimed jobs at most, or None.
    run_id: claim only this DAG run's jobs. memory_limit: bytes a job may map beyond an idle child, or None.
    hooks: by name; to a child they travel apart, in its `Setup`.
    """

    queues: tuple[tuple[str, int], ...]
    worker_id: str = ""
    concurrency: int = 1
    async_concurrency: int = 100
    batch_size: int = 5
    max_held: int | None = None
    wait_s: float = 30.0
    claim_timeout_s: float = 15.0
    heartbeat_s: float = 5.0
    grace_s: float = 5.0
    shutdown_timeout_s: float = 30.0
    ageing_s: float | None = None
    run_id: bytes | None = None
    max_jobs: int | None = None
    max_rss: int | None = None
    memory_limit: int | None = None
    hooks: Mapping[str, Any] = field(default_factory=dict)


def parse_queues(queues: QueuesLike, default: str) -> tuple[tuple[str, int], ...]:
    """Return (name, weight) pairs, heaviest first; None means the default queue.

    Raises:
        InvalidRequestError: a name or weight that can't be, or no queue at all.
    """
    if queues is None:
        return ((default, DEFAULT_WEIGHT),)
    found: dict[str, int] = {}
    for item in [queues] if isinstance(queues, str) else queues:
        name, weight = (item, DEFAULT_WEIGHT) if isinstance(item, str) else item
        if not isinstance(name, str) or not _QUEUE_NAME.fullmatch(name):
            raise InvalidRequestError(
                f"{name!r} is no queue name: use 1 to 128 letters, digits, '_', '.' or '-'", queue=name
            )
        if isinstance(weight, bool) or not isinstance(weight, int):
            raise InvalidRequestError(
                f"queue {name!r} has the weight {weight!r}: give a whole number", queue=name
            )
        found[name] = weight
    if not found:
        raise InvalidRequestError("a worker needs at least one queue")
    return tuple(sorted(found.items(), key=lambda pair: -pair[1]))


def parse_queue_option(text: str) -> list[str | tuple[str, int]]:
    """Turn "high:100,default,low:10" into what `parse_queues` takes.

    Raises:
        InvalidRequestError: a weight that is no number.
    """
    pairs: list[str | tuple[str, int]] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, colon, weight = part.partition(":")
        if not colon:
            pairs.append(name)
            continue
        try:
            pairs.append((name, int(weight)))
        except ValueError:
            raise InvalidRequestError(
                f"{part!r}: the weight after ':' must be a whole number, as in high:100", queue=name
            ) from None
    return pairs


def parse_size(text: str) -> int:
    """Turn "512", "512M", "2G" (bytes, powers of 1024) into bytes.

    Raises:
        InvalidRequestError: it is none of these.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise InvalidRequestError(f"{text!r} is no size: write bytes, or a number with K, M, G or T")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


def positive(name: str, value: int, most: int = MAX_CONCURRENCY) -> int:
    """Return `value` where it is a whole number from 1 to `most`.

    Raises:
        InvalidRequestError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InvalidRequestError(f"{name} is {value!r}: give a whole number from 1 to {most}")
    return value


def default_worker_id(parts: Sequence[object] = ()) -> str:
    """Return a label that tells hosts and processes apart, such as "host-4711"."""
    return "-".join(str(part) for part in (socket.gethostname(), os.getpid(), *parts))
