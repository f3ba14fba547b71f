"""The endings of many jobs: those of the past are read together, the others are waited for together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any

from queuack_store.clock import monotonic
from queuack_store.errors import StoreClosedError, WaitTimeoutError
from queuack_store.jobs import JobResult
from queuack_store.requests import GetResults, Wait
from queuack_store.states import ENDED
from queuack_store.store import Store

AT_ONCE = 500  # results of at most 16 MB each; reading so many costs little more than reading one


def all_ended(store: Store, wanted: Sequence[bytes], limit_s: float | None) -> Iterator[JobResult]:
    """Yield how each of these jobs ended, in their order, within `limit_s` seconds in all (None: no limit).

    Raises:
        UnknownJobError: there is no such job. WaitTimeoutError: one has not ended in time.
        StoreClosedError: the handle was closed meanwhile.
    """
    ends_at = None if limit_s is None else monotonic() + limit_s
    for start in range(0, len(wanted), AT_ONCE):
        found: list[JobResult] = store.call(GetResults(list(wanted[start : start + AT_ONCE])))
        waiting = {one.id: store.submit(Wait(one.id)) for one in found if one.status not in ENDED}
        try:
            for one in found:
                if one.id not in waiting:
                    yield one
                    continue
                left = None if ends_at is None else max(0.0, ends_at - monotonic())
                yield _reply(waiting[one.id], left, limit_s)
        finally:
            for future in waiting.values():
                future.cancel()


def _reply(future: Future[Any], left_s: float | None, limit_s: float | None) -> JobResult:
    try:
        reply: JobResult = future.result(left_s)
    except TimeoutError as error:
        if future.done():
            raise
        raise WaitTimeoutError(
            f"not all of these jobs ended within {limit_s:g} s; they go on", timeout=limit_s
        ) from error
    except CancelledError:
        raise StoreClosedError("this handle was closed while the request was under way") from None
    return reply
