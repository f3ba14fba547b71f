"""Waiting for the end of a run, with somebody told how it stands meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any

from queuack_store.clock import monotonic
from queuack_store.errors import UnknownJobError
from queuack_store.ids import to_raw
from queuack_store.requests import WaitRun

if TYPE_CHECKING:
    from queuack_dag.run import DAGRun


def wait_for_end(
    run: DAGRun, timeout_s: float | None, tick_s: float, tell: Callable[[], object] | None
) -> bool:
    """Return True when the run has ended, False when `timeout_s` went by first.

    tell is called every `tick_s` seconds and once at the end.

    Raises:
        UnknownRunError: there is no such run.
    """
    deadline = None if timeout_s is None else monotonic() + timeout_s
    future: Future[Any] = run.queue.store.submit(WaitRun(to_raw(run.dag_run_id)))
    try:
        while True:
            left = None if deadline is None else max(0.0, deadline - monotonic())
            bounds = [bound for bound in (left, tick_s if tell else None) if bound is not None]
            try:
                future.result(min(bounds, default=None))
            except FutureTimeoutError:
                if future.done():
                    raise
                if deadline is not None and monotonic() >= deadline:
                    return False
                if tell is not None:
                    tell()
                continue
            if tell is not None:
                tell()
            return True
    except UnknownJobError as error:
        raise run._unknown() from error
    finally:
        future.cancel()
