"""Hooks: functions of the user's that hear of every job, beside the jobs and unable to hurt them.

They run in one thread per process, in the order in which things happened there. One that raises is
logged; one that hangs holds up only other hooks.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import msgspec
from queuack_store import ids
from queuack_store.callables import resolve
from queuack_store.errors import InvalidRequestError, PayloadError
from queuack_store.payload import decode_call, encode_call

from queuack_worker.settings import HookLike

if TYPE_CHECKING:
    from queuack_store.jobs import ClaimedJob, Outcome

HOOKS = ("on_start", "on_success", "on_failure", "on_death")
MAX_WAITING = 10_000  # events; a hook that is slower than the jobs misses what comes on top
log = logging.getLogger("queuack.hooks")


class JobEvent(msgspec.Struct, frozen=True):
    """What happened to a job, as its process saw it.

    Attributes:
        job_id, task, queue, node_name, dag_run_id: the job. attempt: 1 for the first; max_attempts.
        error: why the attempt failed, else None. duration_seconds: how long it ran; None where it has
            just started, or its process died.
    """

    job_id: str
    task: str
    queue: str
    attempt: int
    max_attempts: int
    dag_run_id: str | None = None
    node_name: str | None = None
    error: str | None = None
    duration_seconds: float | None = None


Hook = Callable[[JobEvent], object]
Packed = dict[str, tuple[str, bytes]]  # by name: how a hook travels to a child


def checked(name: str, hook: Any) -> HookLike:
    """Return a hook as it was given.

    Raises:
        InvalidRequestError: it is neither callable nor "module:function".
    """
    if isinstance(hook, str):
        module, colon, function = hook.partition(":")
        if not (module and colon and function):
            raise InvalidRequestError(f"{name} is {hook!r}: write module:function", hook=name)
    elif not callable(hook):
        raise InvalidRequestError(
            f"{name} is {hook!r:.100}: give a function or its name, module:function", hook=name
        )
    return hook  # type: ignore[no-any-return]


def pack(hooks: Mapping[str, HookLike]) -> Packed:
    """Return the hooks as they travel to other processes: by name where they have one, else by value."""
    return {n: (hook, b"") if isinstance(hook, str) else encode_call(hook) for n, hook in hooks.items()}


def unpack(packed: Packed) -> dict[str, HookLike]:
    """Return the hooks that `pack` packed.

    Raises:
        PayloadError: one that came by value can't be loaded here.
    """
    return {n: decode_call(task, body)[0] if body else task for n, (task, body) in packed.items()}


def loaded(hooks: Mapping[str, HookLike]) -> dict[str, Hook]:
    """Return the hooks as functions.

    Raises:
        InvalidRequestError: one that was named can't be imported here.
    """
    found: dict[str, Hook] = {}
    for name, hook in hooks.items():
        try:
            func = resolve(hook) if isinstance(hook, str) else hook
        except PayloadError as error:
            raise InvalidRequestError(f"{name}: {hook} can't be imported: {error}", hook=name) from error
        if not callable(func):
            raise InvalidRequestError(f"{name}: {hook} is no function", hook=name)
        found[name] = func
    return found


_text = lru_cache(64)(ids.to_text)  # a job's start and end come close together
_Told = tuple[str, "ClaimedJob | JobEvent", "Outcome | None"]


class Hooks:
    """The hooks of one process.

    Args:
        calls: by name; what is not there is not called.
    """

    def __init__(self, calls: Mapping[str, Hook]) -> None:
        self._calls = dict(calls)
        self._starts, self._successes = "on_start" in calls, "on_success" in calls
        self._waiting: SimpleQueue[_Told | None] = SimpleQueue()
        self._missed = 0
        self._thread = threading.Thread(target=self._run, name="queuack-hooks", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def started(self, job: ClaimedJob) -> None:
        """Tell of a job that starts now."""
        if self._starts:
            self._tell("on_start", job)

    def ended(self, job: ClaimedJob, outcome: Outcome) -> None:
        """Tell of an attempt that succeeded or failed; one that was handed back or cancelled is no event."""
        if outcome.kind == "done":
            if self._successes:
                self._tell("on_success", job, outcome)
        elif outcome.kind == "failed":
            self._failed(job, outcome, outcome.final or job.attempt >= job.max_attempts)

    def died(self, event: JobEvent, dead: bool) -> None:
        """Tell of an attempt whose process died; `dead`: it was the job's last."""
        self._failed(event, None, dead)

    def _failed(self, job: ClaimedJob | JobEvent, outcome: Outcome | None, dead: bool) -> None:
        for name in ("on_failure", "on_death") if dead else ("on_failure",):
            if name in self._calls:
                self._tell(name, job, outcome)

    def _tell(self, name: str, job: ClaimedJob | JobEvent, outcome: Outcome | None = None) -> None:
        """Have this hook called when those before it have returned."""
        if self._waiting.qsize() < MAX_WAITING:
            self._waiting.put((name, job, outcome))
            return
        self._missed += 1
        if self._missed & (self._missed - 1) == 0:  # the first, second, fourth, eighth …
            log.warning("the hooks are too slow: %d events were left out", self._missed)

    def stop(self, timeout_s: float) -> None:
        """Let the hooks that wait run, for so long at most."""
        self._waiting.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        left = self._drop()
        if left:
            log.warning("%d events were not told to the hooks: they took too long", left)

    def _drop(self) -> int:
        left = 0
        while True:
            try:
                left += self._waiting.get_nowait() is not None
            except Empty:
                return left

    def _run(self) -> None:
        while (told := self._waiting.get()) is not None:
            name, job, outcome = told
            event = job if isinstance(job, JobEvent) else _event(job, outcome)
            try:
                self._calls[name](event)
            except BaseException as error:  # a hook may call sys.exit
                log.error("%s failed on job %s: %r", name, event.job_id, error, exc_info=error)


def _event(job: ClaimedJob, outcome: Outcome | None) -> JobEvent:
    return JobEvent(
        _text(job.id),
        job.task,
        job.queue,
        job.attempt,
        job.max_attempts,
        None if job.run_id is None else _text(job.run_id),
        job.node_name,
        None if outcome is None else outcome.error,
        None if outcome is None else outcome.duration_s,
    )
