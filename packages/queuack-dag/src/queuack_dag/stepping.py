"""What the worker does around a node's function: fill in arguments, recall a result, expand maps."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from types import CoroutineType
from typing import Any

import msgspec
from queuack_store.around import Grown
from queuack_store.jobs import Growth, Memo
from queuack_store.payload import decode_result
from queuack_worker.context import TaskContext, get_context
from queuack_worker.outcomes import VALUES, Growing

from queuack_dag import caching
from queuack_dag.errors import MapError
from queuack_dag.facts import StepFacts
from queuack_dag.mapping import expand
from queuack_dag.outputs import filled

_decoder = msgspec.msgpack.Decoder(StepFacts)


def step(raw: bytes, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Run a node's function with all that its facts ask for; return its result and what it adds."""
    facts = _decoder.decode(raw)
    context = get_context()
    if facts.recalled is not None:
        result = decode_result(facts.recalled.result, facts.serialization)
        return _ended(facts, context, result, caching.memo_of(facts.recalled))
    memo = None if facts.memo is None else Memo(facts.memo)
    cache = facts.cache
    if facts.verify is not None and not caching.usable(facts.verify, func):
        cache = memo = None
    if cache is not None and context is not None:
        key = caching.key_here(cache, context, facts.counted)
        recalled = caching.recall(context.queue.store, cache, [key]).get(key)
        if recalled is not None:
            result = decode_result(recalled.result, facts.serialization)
            return _ended(facts, context, result, caching.memo_of(recalled))
        memo = Memo(key)
    if facts.fill:
        args, kwargs = filled(args, kwargs, context)
    value = _each(func, args, kwargs) if facts.batched else func(*args, **kwargs)
    if type(value) is CoroutineType:
        return _later(facts, context, value, memo)
    return _ended(facts, context, value, memo)


async def _later(
    facts: StepFacts, context: TaskContext | None, value: Coroutine[Any, Any, Any], memo: Memo | None
) -> Any:
    return _ended(facts, context, await value, memo)


def _each(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    batch, *rest = args
    results = []
    for item in batch:
        value = func(item, *rest, **kwargs)
        if type(value) is CoroutineType:
            value.close()
            return _each_later(func, args, kwargs)
        results.append(value)
    return results


async def _each_later(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> list[Any]:
    batch, *rest = args
    return [await func(item, *rest, **kwargs) for item in batch]


def _ended(facts: StepFacts, context: TaskContext | None, value: Any, memo: Memo | None) -> Any:
    closes = Growth()
    if isinstance(value, Growing):
        memo = None  # what it says is decided anew each time
        grown = value.grow(context)
        value, closes = grown.result, grown.growth
    if isinstance(value, VALUES):
        return value
    if not facts.maps:
        return Grown(value, msgspec.structs.replace(closes, memo=memo))
    if context is None:
        raise MapError(
            "a node that a map goes over needs a worker, which adds the items as it reports: run one, or "
            "execute() the DAG"
        )
    growth = expand(facts.maps, value, context.queue.store, facts.serialization)
    whole = msgspec.structs.replace(closes, jobs=growth.jobs, runs=growth.runs, memo=memo)
    return Grown(value, whole)
