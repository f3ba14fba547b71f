"""A queue whose jobs run, and whose time goes on, only when a test says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

from queuack_store import helpers, names
from queuack_store.callables import label
from queuack_store.clock import to_datetime
from queuack_store.engine.expiring import MAX_EXPIRING, SPACING_S
from queuack_store.errors import JobFailedError
from queuack_store.ids import to_raw, to_text
from queuack_store.jobs import NewJob
from queuack_store.opening import open_store
from queuack_store.payload import decode_call
from queuack_store.queue import DuckQueue
from queuack_store.requests import Enqueue, Finish, Request, Stats, Wait
from queuack_store.store import Store
from queuack_store.testing.clock import ManualClock

MAX_SHOWN = 20  # jobs that a failed assertion lists

_EXPIRED = f"""
SELECT id::VARCHAR FROM jobs WHERE expires_at <= $until AND status IN ('pending', 'delayed', 'waiting')
ORDER BY expires_at LIMIT {MAX_EXPIRING}
"""


class ManualQueue(DuckQueue):
    """A `DuckQueue` in memory, on the real engine, for tests.

    Attributes:
        clock: the engine's time; `advance` moves it.
    """

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock()
        self._stored: list[NewJob] = []
        super().__init__(":memory:", **options)

    def _open(self) -> Store:
        return _Recording(open_store(self.db_path, self.owner, clock=self.clock), self._stored)

    def drain(self, raise_errors: bool = True) -> int:
        """Run what is ready, and what becomes ready by that, in this thread; return how many jobs ran.

        Delayed jobs, and retries that wait for their time, run after `advance`. Time-outs do not
        interrupt a job here.

        Args:
            raise_errors: raise at the first attempt that fails. False lets it be retried or fail, as
                in production.

        Raises:
            JobFailedError: an attempt failed; the traceback is in its notes and in `traceback`. The
                jobs after it have not run. MissingPackageError: queuack-worker is not installed.
        """
        count = 0
        for job, outcome in helpers.load(helpers.WORKERS, "here")(self):
            count += 1
            if raise_errors and outcome.kind == "failed":
                text = f"job {to_text(job.id)} ({job.task}) failed at attempt {job.attempt}: {outcome.error}"
                error = JobFailedError(text, traceback=outcome.traceback or "", id=to_text(job.id))
                error.add_note(error.traceback)
                raise error
        return count

    def advance(self, seconds: float | timedelta) -> None:
        """Let so many seconds go by for the engine: what is due then is ready, what expires is skipped."""
        now = self.clock.advance(names.seconds(seconds, "seconds"))
        self.store.call(Stats())  # a cycle, in which the engine reads its clock
        expired = self.sql(_EXPIRED, {"until": to_datetime(now - SPACING_S)})
        for (job_id,) in expired:  # it looks for them beside its cycles
            self.store.call(Wait(to_raw(job_id)))

    def assert_enqueued(
        self,
        func: Callable[..., Any] | str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *,
        queue: str | None = None,
        priority: int | None = None,
        delay_seconds: float | timedelta | None = None,
        tags: Iterable[str] | None = None,
        count: int | None = None,
    ) -> list[str]:
        """Assert that calls of `func` were enqueued, whether or not they have run; return the jobs' ids.

        Nodes of DAGs count too. What is None is not compared; a method or lambda counts by its name.

        Args:
            func: the function, or its name as "module:qualname".
            args, kwargs: the arguments, exactly. tags: that the jobs have at least.
            count: how many there must be, 0 for none; None for one or more.

        Raises:
            AssertionError: it was not so; the message lists what was enqueued.
        """
        task = func if isinstance(func, str) else label(func)
        delay = None if delay_seconds is None else names.seconds(delay_seconds, "delay_seconds")
        found = [
            job
            for job in self._stored
            if job.task == task
            and queue in (None, job.queue)
            and priority in (None, job.priority)
            and delay in (None, job.delay_s)
            and set(tags or ()) <= set(job.tags)
            and self._matches(job, args, kwargs)
        ]
        if (not found) if count is None else len(found) != count:
            wanted = "no job" if count is None else f"{len(found)} jobs, not {count},"
            what = _call_text(task, args, kwargs)
            raise AssertionError(f"{wanted} of {what} was enqueued as asked; there were:\n{self._listed()}")
        return [to_text(job.id) for job in found]

    def _matches(self, job: NewJob, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None) -> bool:
        if args is None and kwargs is None:
            return True
        _, given, named = self._decoded(job)
        return (args is None or tuple(args) == given) and (kwargs is None or dict(kwargs) == named)

    def _decoded(self, job: NewJob) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        return decode_call(job.task, job.payload, self.serialization, self.allowed_modules)

    def _listed(self) -> str:
        shown = [
            f"  {_call_text(job.task, *self._decoded(job)[1:])} in {job.queue!r}, priority {job.priority}"
            + (f", delayed {job.delay_s:g} s" if job.delay_s else "")
            + (f", tags {', '.join(job.tags)}" if job.tags else "")
            for job in self._stored[-MAX_SHOWN:]
        ]
        left_out = len(self._stored) - len(shown)
        return "\n".join([f"  … {left_out} before"] * bool(left_out) + shown) or "  none at all"


def _call_text(task: str, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None) -> str:
    if args is None and kwargs is None:
        return task
    parts = ["…"] if args is None else [repr(value) for value in args]
    parts += ["**…"] if kwargs is None else [f"{name}={value!r}" for name, value in kwargs.items()]
    return f"{task}({', '.join(parts)})"


class _Recording:
    """A store that notes the jobs it took."""

    def __init__(self, store: Store, stored: list[NewJob]) -> None:
        self.session = store.session
        self._store = store
        self._stored = stored

    def submit(self, request: Request) -> Future[Any]:
        future = self._store.submit(request)
        future.add_done_callback(lambda done: self._note(request, done))
        return future

    def call(self, request: Request, timeout: float | None = None) -> Any:
        reply = self._store.call(request, timeout)
        self._take(request, reply)
        return reply

    def close(self) -> None:
        self._store.close()

    def _note(self, request: Request, done: Future[Any]) -> None:
        if not done.cancelled() and done.exception() is None:
            self._take(request, done.result())

    def _take(self, request: Request, reply: Any) -> None:
        if isinstance(request, Enqueue) and reply.run_id is None:  # else the run was there already
            self._stored.extend(request.jobs)
        elif isinstance(request, Finish):
            for outcome in request.outcomes:
                self._stored.extend(outcome.growth.jobs if outcome.growth else ())
