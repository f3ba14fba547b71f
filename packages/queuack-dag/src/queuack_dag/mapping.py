"""Maps: one job per item of what a node returned, made by the worker that ran the node, with its report.

Up to what one request may carry, the items come into being in the record that ends the node. More come in
parts: a job `spread` reads the node's stored result, adds part after part, and goes on where it was when its
worker dies. The items of each part wait for an opener, and each opener for the one before it; the first waits
for the spreader. So nothing runs before the last part is there, and no step touches more than one part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec
from queuack_store import gathered, ids
from queuack_store.around import wrap
from queuack_store.jobs import Growth, NewJob, NewRun
from queuack_store.payload import CallEncoder, decode_result, encode_call
from queuack_store.requests import GetJob, GetResults, Sql
from queuack_store.states import DONE
from queuack_store.store import Store
from queuack_worker.context import TaskContext, get_context
from queuack_worker.outcomes import Skip

from queuack_dag import caching
from queuack_dag.errors import MapError
from queuack_dag.facts import CacheFacts, MapFacts, Recalled, StepFacts

COLLECT_TASK = "queuack_dag.mapping:collect"
STEP = "queuack_dag.stepping:step"
SPREAD = "queuack_dag.mapping:spread"
MAX_ITEMS_AT_ONCE = 100_000  # jobs of one request, and
MAX_BYTES_AT_ONCE = 48 << 20  # their payloads: three quarters of what it may carry
PART_ITEMS = 25_000  # of a map that comes in parts: others are not held up for long
LOOKED_UP_AT_ONCE = 1_000  # items whose earlier results are in memory together
HELPERS = 2  # jobs that a map which comes in parts begins with

_PROGRESS = """
SELECT count(*) FILTER (node_name IS NOT NULL),
    max(id::VARCHAR) FILTER (node_name IS NULL) FROM jobs WHERE dag_run_id = $run::UUID
"""
_ENDED = """
SELECT count(*) FILTER (status = 'done' AND node_name IS NOT NULL), count(*) FILTER (node_name IS NOT NULL),
    count(*) FILTER (status <> 'done' AND node_name IS NULL) FROM jobs WHERE dag_run_id = $run::UUID
"""


class Items:
    """Makes the jobs of a map's items; those that an earlier run has results of get these with them."""

    def __init__(self, facts: MapFacts, store: Store, serialization: str) -> None:
        self._facts = facts
        self._store = store
        self._serialization = serialization
        self._encoder = CallEncoder.resume(facts.like.task, facts.like.payload, serialization)
        rest: Any = decode_result(facts.args, serialization, "the arguments of a map") or ((), {})
        self._args: tuple[Any, ...] = tuple(rest[0])
        self._kwargs: dict[str, Any] = dict(rest[1])

    def jobs(self, items: Iterable[Any], start: int = 0, gate: tuple[bytes, ...] = ()) -> Iterator[NewJob]:
        """Yield the jobs of items, or of batches of them.

        Args:
            start: the number of the first. gate: jobs that they all wait for.
        """
        facts, like = self._facts, self._facts.like
        feeds, behind = (facts.job,), (*like.parents, *gate)
        for number, payload in enumerate(self._payloads(iter(items)), start):
            yield NewJob(
                ids.new_id(), like.task, payload, like.queue, like.priority, like.max_attempts,
                like.timeout_s, 0.0, behind, "all", f"{like.node_name}[{number}]", facts.run.id, like.retry,
                feeds=feeds,
            )  # fmt: skip

    def _payloads(self, items: Iterator[Any]) -> Iterator[bytes]:
        cache, batched, fill = self._facts.cache, self._facts.batch is not None, self._facts.fill
        if cache is None:
            facts = StepFacts(self._serialization, fill, batched=batched)
            around = msgspec.msgpack.encode(facts) if batched or fill else b""
            for item in items:
                payload = self._encoder.encode_args((item, *self._args), self._kwargs)
                yield wrap(payload, STEP, around) if around else payload
            return
        if self._facts.like.parents:
            yield from self._later(cache, items, batched)
            return
        while part := list(islice(items, LOOKED_UP_AT_ONCE)):
            keys = caching.item_keys(cache, part)
            recalled = caching.recall(self._store, cache, keys)
            for item, key in zip(part, keys, strict=True):
                yield self._cached(item, key, recalled.get(key), batched)

    def _later(self, cache: CacheFacts, items: Iterator[Any], batched: bool) -> Iterator[bytes]:
        # What they also wait for may not have ended: each looks for its result when it starts.
        facts = self._facts
        of_item = caching.item_facts(cache)
        for item in items:
            own = of_item(item)
            payload = self._encoder.encode_args((item, *self._args), self._kwargs)
            around = StepFacts(
                self._serialization, facts.fill, batched=batched, cache=own, verify=facts.verify,
                counted=len(facts.like.parents),
            )  # fmt: skip
            yield wrap(payload, STEP, msgspec.msgpack.encode(around))

    def _cached(self, item: Any, key: bytes, recalled: Recalled | None, batched: bool) -> bytes:
        if recalled is None:
            payload = self._encoder.encode_args((item, *self._args), self._kwargs)
            verify = self._facts.verify
            facts = StepFacts(self._serialization, batched=batched, memo=key, verify=verify)
        else:
            payload = self._encoder.encode_args((), None)
            facts = StepFacts(self._serialization, recalled=recalled)
        return wrap(payload, STEP, msgspec.msgpack.encode(facts))


def items_of(value: Any, facts: MapFacts, store: Store, serialization: str) -> Iterator[Any]:
    """Return what a map goes over, in batches where it has any.

    Raises:
        MapError: it is no list or reader.
    """
    value = gathered.resolved(value, store, lambda found: decode_result(found.result, serialization))
    name = facts.like.node_name
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(type(value), "__iter__"):
        hint = ": return StreamReader(path) to map over its rows" if isinstance(value, str) else ""
        raise MapError(
            f"map {name!r} goes over a list or a StreamReader, and its node returned {value!r:.200}{hint}",
            node=name,
        )
    items = iter(value)
    return items if facts.batch is None else _batches(items, facts.batch)


def _batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while batch := list(islice(items, size)):
        yield batch


def expand(maps: list[MapFacts], value: Any, store: Store, serialization: str) -> Growth:
    """Return what the maps over a node's result add: their items, or what will add them in parts.

    Raises:
        MapError: the result is no list or reader. PayloadError: an item can't be stored.
    """
    jobs: list[NewJob] = []
    runs: list[NewRun] = []
    room = MAX_BYTES_AT_ONCE
    most = MAX_ITEMS_AT_ONCE - len(maps) * HELPERS  # each of the others may come in parts, too
    for facts in maps:
        made: list[NewJob] = []
        size = 0
        for job in Items(facts, store, serialization).jobs(items_of(value, facts, store, serialization)):
            made.append(job)
            size += len(job.payload)
            if size > room or len(jobs) + len(made) > most:
                made, size = _in_parts(facts, serialization), 0
                break
        room -= size
        jobs += made
        if made:
            runs.append(facts.run)
    return Growth(jobs, runs)


def _in_parts(facts: MapFacts, serialization: str) -> list[NewJob]:
    task, payload = encode_call(opened, serialization=serialization)
    whole = wrap(payload, SPREAD, msgspec.msgpack.encode((serialization, facts)))
    spreader = _helper(facts, task, whole, ())
    return [spreader, _opener(facts, serialization, spreader.id)]


def _opener(facts: MapFacts, serialization: str, behind: bytes) -> NewJob:
    return _helper(facts, *encode_call(opened, serialization=serialization), (behind,))


def _helper(facts: MapFacts, task: str, payload: bytes, parents: tuple[bytes, ...]) -> NewJob:
    like = facts.like
    return NewJob(
        ids.new_id(), task, payload, like.queue, like.priority, like.max_attempts, None, 0.0, parents, "all",
        None, facts.run.id, like.retry, feeds=(facts.job,),
    )  # fmt: skip


def opened() -> None:
    """Open the way for the items of one part."""


def spread(raw: bytes, *_: Any) -> None:
    """Add the items of a map in parts, from where an earlier attempt was.

    What it goes over is the stored result of the map's node, the same for every attempt; each part is
    added where this job's claim is still current, so none comes twice.
    """
    context = get_context()
    if context is None:
        raise MapError("a map that comes in parts needs a worker: run one, or execute() the DAG")
    serialization, facts = msgspec.msgpack.decode(raw, type=tuple[str, MapFacts])
    store, run = context.queue.store, ids.to_text(facts.run.id)
    (found,) = store.call(GetResults([facts.source]))
    value = decode_result(found.result, serialization, "the node of a map")
    start, gate = store.call(Sql(_PROGRESS, {"run": run})).rows[0]
    gate = ids.to_raw(gate)
    maker = Items(facts, store, serialization)
    items = islice(items_of(value, facts, store, serialization), start, None)
    while part := list(islice(items, PART_ITEMS)):
        for made in _cut(maker.jobs(part, start, (gate,))):
            following = _opener(facts, serialization, gate)
            context.grow(Growth([*made, following]))
            start += len(made)
        gate = following.id


def _cut(jobs: Iterable[NewJob]) -> Iterator[list[NewJob]]:
    """Yield the jobs in as few parts as one request's size allows."""
    part: list[NewJob] = []
    size = 0
    for job in jobs:
        if part and size + len(job.payload) > MAX_BYTES_AT_ONCE:
            yield part
            part, size = [], 0
        part.append(job)
        size += len(job.payload)
    yield part


def collect(
    name: str, run_id: str, needed: list[str], min_success: float, batched: bool, context: TaskContext
) -> Any:
    """Return the results of a map's items in order, as a reference; its last job.

    Where some may fail it runs however they ended, and decides.

    Raises:
        MapError: too few succeeded.
    """
    store = context.queue.store
    for job in needed:
        view = store.call(GetJob(ids.to_raw(job)))
        if view is None or view.status != DONE:
            state = "is gone" if view is None else view.status
            return Skip(f"parent {job if view is None else view.node_name!r} {state}")
    done, total, lame = store.call(Sql(_ENDED, {"run": run_id})).rows[0]
    if lame:
        return Skip(f"the items of map {name!r} could not all be made")
    if total and done < min_success * total:
        raise MapError(
            f"only {done:,} of the {total:,} jobs of map {name!r} succeeded ({done / total:.1%}); "
            f"min_success asks for {min_success:.1%}",
            node=name,
        )
    return gathered.mark_items(run_id if total else None, batched)
