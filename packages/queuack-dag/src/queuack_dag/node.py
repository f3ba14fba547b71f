"""One node of a DAG as its author described it, checked; and which of its settings were given at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from queuack_store import names
from queuack_store.errors import InvalidRequestError
from queuack_store.jobs import DEFAULT_MAX_ATTEMPTS, DEFAULT_PRIORITY, DEFAULT_TIMEOUT_S
from queuack_store.retry import DEFAULT_RETRY, RetryPolicy

if TYPE_CHECKING:
    from queuack_dag.blueprint import Blueprint

MAX_NAME = 256
MAX_BATCH = 1_000_000  # items of a map in one job


class _Whole(int):
    """A default that can be told from the same number given by the caller."""


class _Seconds(float):
    """The same for seconds."""


PRIORITY = _Whole(DEFAULT_PRIORITY)
MAX_ATTEMPTS = _Whole(DEFAULT_MAX_ATTEMPTS)
TIMEOUT_SECONDS = _Seconds(DEFAULT_TIMEOUT_S)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a DAG gives to nodes that say nothing themselves; None leaves the store's own default."""

    max_retries: int | None = None
    retry_delay: float | None = None
    timeout_s: float | None = None
    priority: int | None = None

    @classmethod
    def checked(
        cls,
        max_retries: int | None,
        retry_delay: float | None,
        timeout_per_task: float | None,
        priority: int | None,
    ) -> Defaults:
        """Return the defaults, each within its bounds.

        Raises:
            InvalidRequestError: one is not.
        """
        return cls(
            None
            if max_retries is None
            else names.whole(max_retries, "max_retries", 0, names.MAX_ATTEMPTS - 1),
            None if retry_delay is None else names.seconds(retry_delay, "retry_delay"),
            names.optional_seconds(timeout_per_task, "timeout_per_task"),
            None if priority is None else names.priority(priority),
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """How a node's job is to be run, with the DAG's defaults worked in."""

    priority: int
    max_attempts: int
    timeout_s: float | None
    mode: str
    queue: str | None
    retry: RetryPolicy

    @classmethod
    def checked(
        cls,
        defaults: Defaults,
        priority: int,
        max_attempts: int,
        timeout_seconds: float | None,
        dependency_mode: str,
        queue: str | None,
        retry_delay: float | None,
    ) -> Settings:
        """Return the settings: the node's own where given, else the DAG's, else the store's.

        Raises:
            InvalidRequestError: one is out of its bounds.
        """
        if priority is PRIORITY and defaults.priority is not None:
            priority = defaults.priority
        if max_attempts is MAX_ATTEMPTS and defaults.max_retries is not None:
            max_attempts = defaults.max_retries + 1
        if timeout_seconds is TIMEOUT_SECONDS and defaults.timeout_s is not None:
            timeout_seconds = defaults.timeout_s
        delay = defaults.retry_delay if retry_delay is None else retry_delay
        return cls(
            names.whole(priority, "priority", 0, names.MAX_PRIORITY),
            names.whole(max_attempts, "max_attempts", 1, names.MAX_ATTEMPTS),
            None
            if timeout_seconds is None
            else float(names.seconds(timeout_seconds, "timeout_seconds", positive=True)),
            names.mode(dependency_mode),
            None if queue is None else names.queue_name(queue),
            DEFAULT_RETRY if delay is None else names.retry_policy(delay, None, None, None),
        )


@dataclass(frozen=True, slots=True)
class MapSpec:
    """Of a map: the node that it goes over, items per job, and the share of jobs that must succeed."""

    over: str
    batch: int | None
    min_success: float


@dataclass(frozen=True, slots=True)
class CacheSpec:
    """Of a node whose result may come from an earlier run: how old that may be (None: any)."""

    ttl_s: float | None


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its job's id, what it calls, and what it waits for.

    parents: names of nodes of the same DAG, and ids (bytes) of jobs outside it; of a map, the node that it
    goes over first. inner: the sub-DAG that this node stands for, whose job then only gathers its results.
    fresh: the sub-DAG's ids were used by an earlier node, so that this one makes its own. fill: its
    arguments hold places for other nodes' results.
    """

    id: bytes
    name: str
    func: Callable[..., Any] | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any] | None
    parents: tuple[str | bytes, ...]
    settings: Settings
    inner: Blueprint | None = None
    fresh: bool = False
    mapping: MapSpec | None = None
    caching: CacheSpec | None = None
    fill: bool = False


def checked_caching(cache: bool, ttl: float | None, mode: str, name: str | None) -> CacheSpec | None:
    """Return how a node's results are used again, None where they are not.

    Raises:
        InvalidRequestError: a ttl without `cache`, or a node that does not wait for all its parents.
    """
    if not cache:
        if ttl is not None:
            raise InvalidRequestError("ttl says how old a cached result may be: give cache=True, too")
        return None
    if mode != "all":
        raise InvalidRequestError(
            f"node {name!r} has cache=True and waits for {mode!r}: only one that waits for the success of "
            "all its parents depends on nothing else",
            node=name,
        )
    return CacheSpec(names.optional_seconds(ttl, "ttl"))


def checked_mapping(over: str, batch: int | None, min_success: float) -> MapSpec:
    """Return what a map goes over.

    Raises:
        InvalidRequestError: a batch of less than one item, or a share outside 0 to 1.
    """
    if batch is not None:
        names.whole(batch, "batch", 1, MAX_BATCH)
    if (
        isinstance(min_success, bool)
        or not isinstance(min_success, (int, float))
        or not 0 <= min_success <= 1
    ):
        raise InvalidRequestError(f"min_success is a share from 0 to 1, not {min_success!r:.200}")
    return MapSpec(over, batch, float(min_success))


def checked_call(
    func: object, args: Iterable[Any], kwargs: Mapping[str, Any] | None
) -> tuple[tuple[Any, ...], dict[str, Any] | None]:
    """Return the arguments as a tuple and a dict.

    Raises:
        InvalidRequestError: `func` can't be called, or the arguments have another shape.
    """
    if not callable(func):
        raise InvalidRequestError(f"a node needs a function, not {func!r:.200}")
    if isinstance(args, (str, bytes, Mapping)) or not isinstance(args, Iterable):
        raise InvalidRequestError(
            f"args must be a tuple or list of arguments, not {args!r:.200}; one is (x,)"
        )
    if kwargs is not None and not (isinstance(kwargs, Mapping) and all(isinstance(k, str) for k in kwargs)):
        raise InvalidRequestError(f"kwargs must map parameter names to values, not {kwargs!r:.200}")
    return tuple(args), dict(kwargs) if kwargs else None


def checked_name(name: object) -> str:
    """Return a node's name: 1 to 256 printable characters.

    Raises:
        InvalidRequestError: it is none.
    """
    if isinstance(name, str) and 0 < len(name) <= MAX_NAME and name.isprintable():
        return str(name)
    raise InvalidRequestError(f"{name!r:.300} is no node name: use 1 to {MAX_NAME} printable characters")
