"""The result of a sub-DAG or a map: a reference, which the reader turns into the results it stands for.

What is stored is small and plain, so that it passes under every serialization; the engine never looks
into it, and no result is stored twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from queuack_store import ids
from queuack_store.jobs import JobResult
from queuack_store.requests import GetResults, RunResults
from queuack_store.states import DONE
from queuack_store.store import Store

_GATHERED = "queuack.gathered"
_ITEMS = "queuack.items"

Decode = Callable[[JobResult], Any]


def mark(jobs: Mapping[str, str]) -> dict[str, Any]:
    """Return the value that stands for the results of these jobs (name → id)."""
    return {_GATHERED: dict(jobs)}


def mark_items(run_id: str | None, batched: bool) -> dict[str, Any]:
    """Return the value that stands for the list of results of a run's items; of their batches, joined.

    None for `run_id`: there are no items.
    """
    return {_ITEMS: [run_id, batched]}


def resolved(value: Any, store: Store, decode: Decode) -> Any:
    """Return `value`, or the results that it stands for, however deep that is nested."""
    if type(value) is not dict or len(value) != 1:
        return value
    (kind, facts) = next(iter(value.items()))
    if kind == _ITEMS and type(facts) is list:
        run_id, batched = facts
        if run_id is None:
            return []
        found = (resolved(one, store, decode) for one in _items(ids.to_raw(run_id), store, decode))
        return [one for batch in found for one in batch] if batched else list(found)
    if kind == _GATHERED and type(facts) is dict:
        results: list[JobResult] = store.call(GetResults([ids.to_raw(job) for job in facts.values()]))
        return {
            name: resolved(decode(result), store, decode)
            for name, result in zip(facts, results, strict=True)
            if result.status == DONE
        }
    return value


def _items(run_id: bytes, store: Store, decode: Decode) -> Iterator[Any]:
    # The items bear names; the jobs that only open the way for them do not.
    after = 0
    while page := store.call(RunResults(run_id, after)):
        after = page[-1][0]
        for _, result in page:
            if result.status == DONE and result.node_name is not None:
                yield decode(result)
