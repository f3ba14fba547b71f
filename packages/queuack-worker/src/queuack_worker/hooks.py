"""Hooks: functions of the user's that hear of every job, beside the jobs and unable to hurt them.

They run in one thread per process, in the order in which things happened there. One that raises is
logged; one that hangs holds up only other hooks.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, final

import msgspec
from queuack_store import ids
from queuack_store.callables import resolve
from queuack_store.errors import InvalidRequestError, PayloadError
from queuack_store.payload import decode_call, encode_call

from queuack_worker.settings import HookLike

if TYPE_CHECKING:
    from queuack_store.jobs import ClaimedJob, Outcome

HOOKS = ("on_start", "on_success", "on_failure", "on_death")
GATHER_S = 0.005  # events that follow one within so long are told along with it
MAX_WAITING = 10_000  # events; a hook that is slower than the jobs misses what comes on top
log = logging.getLogger("queuack.hooks")


@final
class JobEvent(msgspec.Struct, frozen=True, gc=False):
    """What happened to a job, as its process saw it.

    Attributes:
        raw_id, raw_run_id: `job_id` and `dag_run_id` as 16 bytes. task, queue, node_name: the job.
        attempt: 1 for the first; max_attempts. error: why the attempt failed, else None.
        duration_seconds: how long it ran; None where it has just started, or its process died.
    """

    raw_id: bytes
    task: str
    queue: str
    attempt: int
    max_attempts: int
    raw_run_id: bytes | None = None
    node_name: str | None = None
    error: str | None = None
    duration_seconds: float | None = None

    @property
    def job_id(self) -> str:
        """The job's id, as `enqueue` returned it; made when asked for, as it costs more than the rest."""
        return ids.to_text(self.raw_id)

    @property
    def dag_run_id(self) -> str | None:
        """The id of the DAG run it belongs to, or None."""
        return None if self.raw_run_id is None else ids.to_text(self.raw_run_id)

    def __repr__(self) -> str:
        return f"JobEvent(job_id={self.job_id!r}, task={self.task!r}, attempt={self.attempt})"


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


_Told = tuple[str, "ClaimedJob | JobEvent", "Outcome | None"]


class Hooks:
    """The hooks of one process.

    A job's own thread only notes what there is to tell, and wakes the hooks' thread where that sleeps. Once
    awake it waits a moment for more: one switch of threads serves many events.

    Args:
        calls: by name; what is not there is not called.
    """

    def __init__(self, calls: Mapping[str, Hook]) -> None:
        self._calls = dict(calls)
        self._starts, self._successes = "on_start" in calls, "on_success" in calls
        self._waiting: deque[_Told] = deque()
        self._wakes: SimpleQueue[None] = SimpleQueue()  # no condition: an interrupt could leave it locked
        self._asleep = False
        self._ending = False
        self._missed = 0
        self._thread = threading.Thread(target=self._run, name="queuack-hooks", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def started(self, job: ClaimedJob) -> None:
        """Tell of a job that starts now."""
        if self._starts:
            self._tell(("on_start", job, None))

    def ended(self, job: ClaimedJob, outcome: Outcome) -> None:
        """Tell of an attempt that succeeded or failed; one that was handed back or cancelled is no event."""
        if outcome.kind == "done":
            if self._successes:
                self._tell(("on_success", job, outcome))
        elif outcome.kind == "failed":
            self._failed(job, outcome, outcome.final or job.attempt >= job.max_attempts)

    def died(self, event: JobEvent, dead: bool) -> None:
        """Tell of an attempt whose process died; `dead`: it was the job's last."""
        self._failed(event, None, dead)

    def _failed(self, job: ClaimedJob | JobEvent, outcome: Outcome | None, dead: bool) -> None:
        for name in ("on_failure", "on_death") if dead else ("on_failure",):
            if name in self._calls:
                self._tell((name, job, outcome))

    def _tell(self, told: _Told) -> None:
        """Have this hook called when those before it have returned."""
        if len(self._waiting) >= MAX_WAITING:
            self._missed += 1
            if self._missed & (self._missed - 1) == 0:  # the first, second, fourth, eighth …
                log.warning("the hooks are too slow: %d events were left out", self._missed)
            return
        self._waiting.append(told)
        if self._asleep and self._wakes.empty():  # the sleeper clears the flag: a wake-up can't be lost
            self._wakes.put(None)

    def stop(self, timeout_s: float) -> None:
        """Let the hooks that wait run, for so long at most."""
        self._ending = True
        self._wakes.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        left = len(self._waiting)
        self._waiting.clear()
        if left:
            log.warning("%d events were not told to the hooks: they took too long", left)

    def _run(self) -> None:
        while not (self._ending and not self._waiting):
            self._asleep = True
            if not self._waiting:
                self._wakes.get()
            self._asleep = False
            with suppress(Empty):
                self._wakes.get(timeout=GATHER_S)
            self._call_all()

    def _call_all(self) -> None:
        calls, take = self._calls, self._waiting.popleft
        while True:
            try:
                name, job, outcome = take()
            except IndexError:
                return
            event = job if type(job) is JobEvent else _event(job, outcome)
            try:
                calls[name](event)
            except BaseException as error:  # a hook may call sys.exit
                log.error("%s failed on job %s: %r", name, event.job_id, error, exc_info=error)


def _event(job: ClaimedJob, outcome: Outcome | None) -> JobEvent:
    if outcome is None:
        return JobEvent(job.id, job.task, job.queue, job.attempt, job.max_attempts, job.run_id, job.node_name)
    return JobEvent(
        job.id,
        job.task,
        job.queue,
        job.attempt,
        job.max_attempts,
        job.run_id,
        job.node_name,
        outcome.error,
        outcome.duration_s,
    )
