"""The result of a sub-DAG: the ids of its terminal nodes' jobs, which the reader turns into their results.

What is stored is small and plain, so that it passes under every serialization; the engine never looks
into it, and no result is stored twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from queuack_store import ids
from queuack_store.jobs import JobResult
from queuack_store.requests import GetResults
from queuack_store.states import DONE
from queuack_store.store import Store

_MARK = "queuack.gathered"


def mark(jobs: Mapping[str, str]) -> dict[str, Any]:
    """Return the value that stands for the results of these jobs (name → id)."""
    return {_MARK: dict(jobs)}


def resolved(value: Any, store: Store, decode: Callable[[JobResult], Any]) -> Any:
    """Return `value`, or the results by name where it was made by `mark`, however deep it is nested."""
    if type(value) is not dict or len(value) != 1 or type(value.get(_MARK)) is not dict:
        return value
    jobs: dict[str, str] = value[_MARK]
    found: list[JobResult] = store.call(GetResults([ids.to_raw(job) for job in jobs.values()]))
    return {
        name: resolved(decode(result), store, decode)
        for name, result in zip(jobs, found, strict=True)
        if result.status == DONE
    }
