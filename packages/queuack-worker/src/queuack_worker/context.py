"""What a running job knows of itself and of its parents: TaskContext, and how a job gets hold of it."""

from __future__ import annotations

import logging
import math
import threading
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from queuack_store import ids
from queuack_store.clock import wall
from queuack_store.errors import InvalidRequestError, ResultNotReadyError, from_wire
from queuack_store.gathered import resolved
from queuack_store.jobs import ClaimedJob, Growth, JobResult, Outcome
from queuack_store.observed import MAX_LINE_CHARS, MAX_LINES, LogLine, Progress
from queuack_store.outputs import output_folder
from queuack_store.payload import decode_result
from queuack_store.requests import Finish, GetParents, Run
from queuack_store.states import DependencyMode, JobStatus

from queuack_worker.facts import RunFacts, facts_of

if TYPE_CHECKING:
    from typing import Self

    from queuack_store.queue import DuckQueue

    from queuack_worker.reports import Reports
    from queuack_worker.slots import Slot

MAX_LOG_CHARS = 256 << 10  # that one attempt may log
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
job_log = logging.getLogger("queuack.job")


class TaskContext:
    """A running job's view of itself: its ids, its queue, and its parents' results.

    A function with a parameter named `context` or `ctx` is given one; `get_context()` returns it too.
    Parents are read when they are first asked for, in one request.

    Attributes:
        job_id: the job's id, as `enqueue` returned it.
        dag_run_id: the id of the DAG run it belongs to, or None.
        queue: the worker's open DuckQueue: a job may enqueue, read results, run SQL.
        queue_name: the name of the queue it was claimed from.
        attempt: 1 for the first.
        node_name: its name in the DAG, or None.
    """

    def __init__(self, job: ClaimedJob, queue: DuckQueue, reports: Reports) -> None:
        self.job_id = ids.to_text(job.id)
        self.dag_run_id = None if job.run_id is None else ids.to_text(job.run_id)
        self.queue = queue
        self.queue_name = job.queue
        self.attempt = job.attempt
        self.node_name = job.node_name
        self._job = job
        self._reports = reports
        self._lines = self._chars = 0
        self._scratch: Path | None = None
        self._lock = threading.Lock()  # a job may log from several threads
        self._parents: list[JobResult] | None = None
        self._values: dict[bytes, Any] = {}
        self._params: dict[str, Any] | None = None

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that its DAG's run was submitted with, by name; {} outside a DAG."""
        if self._params is None:
            self._params = {} if self._job.run_id is None else self._read_params(self._job.run_id)
        return dict(self._params)

    def _read_params(self, run_id: bytes) -> dict[str, Any]:
        facts = self._facts(run_id)
        if facts.root is not None:
            facts = self._facts(facts.root)
        found = decode_result(facts.params, self.queue.serialization, "the run's parameters")
        return found if isinstance(found, dict) else {}

    def _facts(self, run_id: bytes) -> RunFacts:
        row = self.queue.store.call(Run(run_id))
        return facts_of(None if row is None else row["facts"])

    def grow(self, growth: Growth) -> None:
        """Add to the graph while the job goes on; what it returns may add more.

        Raises:
            ClaimLostError: the job is not this worker's any more; nothing was added.
        """
        outcome = Outcome(self._job.id, self._job.claim, "grown", growth=growth)
        for _, error in self.queue.store.call(Finish([outcome])):
            raise from_wire(error)

    def upstream(self, name: str) -> Any:
        """Return the result of the parent named `name`.

        Raises:
            InvalidRequestError: there is no such parent; the message names those there are.
            ResultNotReadyError: it has no result (it failed, was skipped, or has not ended).
        """
        return self._value(self._named(name))

    def upstream_all(self) -> dict[str, Any]:
        """Return all parents' results by name.

        Raises:
            InvalidRequestError: under `dependency_mode="any"`, where some parents may have no result.
        """
        if self._job.mode == DependencyMode.ANY:
            raise InvalidRequestError(
                f"upstream_all() is refused in job {self.job_id}: it runs under dependency_mode='any', so "
                "some parents may have no result. Use upstream_completed() or upstream_any()",
                job_id=self.job_id,
            )
        return {_name(parent): self._value(parent) for parent in self._all()}

    def upstream_completed(self) -> dict[str, Any]:
        """Return the results of the parents that succeeded, by name."""
        return {_name(parent): self._value(parent) for parent in self._all() if _has_result(parent)}

    def upstream_any(self) -> Any:
        """Return the result of the first parent, in the order given, that succeeded.

        Raises:
            ResultNotReadyError: none has.
        """
        for parent in self._all():
            if _has_result(parent):
                return self._value(parent)
        raise ResultNotReadyError(f"no parent of job {self.job_id} has a result", job_id=self.job_id)

    def upstream_or(self, name: str, default: Any = None) -> Any:
        """Return the result of the parent named `name`, or `default` where it has none."""
        return self.upstream(name) if self.has_upstream(name) else default

    def has_upstream(self, name: str) -> bool:
        """Return whether there is a parent named `name` that has a result."""
        return any(_name(parent) == name and _has_result(parent) for parent in self._all())

    def has_upstream_any(self, *names: str) -> bool:
        """Return whether at least one of the parents named has a result."""
        return any(self.has_upstream(name) for name in names)

    def get_parent_names(self) -> list[str]:
        """Return the parents' names in the order they were given; a parent without a name by its id."""
        return [_name(parent) for parent in self._all()]

    def get_parent_result(self, job_id: str) -> Any:
        """Return the result of the parent with this id.

        Raises:
            InvalidRequestError: no parent has this id. ResultNotReadyError: it has no result.
        """
        raw = ids.to_raw(job_id)
        for parent in self._all():
            if parent.id == raw:
                return self._value(parent)
        raise InvalidRequestError(f"job {job_id} is no parent of job {self.job_id}", job_id=job_id)

    def get_parent_results(self) -> list[Any]:
        """Return the parents' results in the order they were given; None under "any" where there is none."""
        lenient = self._job.mode != DependencyMode.ALL
        return [
            None if lenient and not _has_result(parent) else self._value(parent) for parent in self._all()
        ]

    def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Say how far the job is; `queue.get_progress(job_id)` reads it from any process.

        Call it as often as you like: it is sent every half second at most, the latest always.

        Args:
            done, total: in any unit; `total` may be None where it is not known.
            message: what it is doing, cut to 4,096 characters.

        Raises:
            InvalidRequestError: `done` or `total` is no finite number.
        """
        text = None if message is None else str(message)[:MAX_LINE_CHARS]
        whole = None if total is None else _number("total", total)
        self._reports.progress(self._job, Progress(_number("done", done), whole, text))

    def log(self, message: object, level: str = "info") -> None:
        """Log a line that stays with this attempt; `queue.get_logs(job_id)` reads it from any process.

        It goes to the logger "queuack.job" too. An attempt keeps 1,000 lines and 256 KB; what is more is
        dropped, with a last line that says so.

        Args:
            message: its text, cut to 4,096 characters.
            level: "debug", "info", "warning", "error" or "critical".

        Raises:
            InvalidRequestError: there is no such level.
        """
        if level not in LEVELS:
            raise InvalidRequestError(f"{level!r} is no level: give one of {', '.join(LEVELS)}", level=level)
        text = str(message)[:MAX_LINE_CHARS]
        job_log.log(LEVELS[level], "%s", text)
        with self._lock:
            if self._lines > MAX_LINES:
                return
            self._lines += 1
            self._chars += len(text)
            if self._lines > MAX_LINES or self._chars > MAX_LOG_CHARS:
                level, text = "warning", "more lines were dropped: an attempt keeps 1,000 lines and 256 KB"
                self._lines = max(self._lines, MAX_LINES + 1)
            self._reports.line(self._job, LogLine(self._lines, wall(), level, text))

    @property
    def output_dir(self) -> Path:
        """A folder for files that this job makes, beside the queue's file and removed when it is purged.

        All attempts of the job share it. Of a queue in memory it is a temporary folder, the job's to remove.
        """
        with self._lock:
            if self.queue.db_path != ":memory:":
                folder = output_folder(self.queue.db_path, self.job_id)
                folder.parent.mkdir(mode=0o700, exist_ok=True)
                folder.mkdir(mode=0o700, exist_ok=True)
                return folder
            if self._scratch is None:
                import tempfile

                self._scratch = Path(tempfile.mkdtemp(prefix="queuack-"))
            return self._scratch

    def close(self) -> None:
        """Forget what was read. The queue stays open: it is the worker's."""
        self._parents = None
        self._values.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"TaskContext(job_id={self.job_id!r}, task={self._job.task!r}, attempt={self.attempt})"

    def _all(self) -> list[JobResult]:
        if self._parents is None:
            if self._job.has_parents:
                self._parents = self.queue.store.call(GetParents(self._job.id))
            else:
                self._parents = []
        return self._parents

    def _named(self, name: str) -> JobResult:
        for parent in self._all():
            if _name(parent) == name:
                return parent
        raise InvalidRequestError(
            f"job {self.job_id} has no parent named {name!r}; its parents are {self.get_parent_names()}",
            job_id=self.job_id,
            name=name,
        )

    def _value(self, parent: JobResult) -> Any:
        if parent.id in self._values:
            return self._values[parent.id]
        if not _has_result(parent):
            raise ResultNotReadyError(
                f"parent {_name(parent)!r} of job {self.job_id} has no result: it is {parent.status}",
                job_id=self.job_id,
                parent=_name(parent),
                status=parent.status,
            )
        value = resolved(self._own(parent), self.queue.store, self._own)
        self._values[parent.id] = value
        return value

    def _own(self, parent: JobResult) -> Any:
        return decode_result(parent.result, self.queue.serialization, _name(parent))


def _number(what: str, value: float) -> float:
    try:
        number = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidRequestError(f"{what} is {value!r:.100}: give a finite number", what=what)
    return number


def _name(parent: JobResult) -> str:
    return parent.node_name or ids.to_text(parent.id)


def _has_result(parent: JobResult) -> bool:
    return parent.status == JobStatus.DONE.value


# Set once per runner thread and once per coroutine job, not per job: the slot's job changes under it.
current_slot: ContextVar[Slot | None] = ContextVar("queuack_slot", default=None)
inherited = threading.local()  # slot and job of the job that started this thread, see inheriting.py


def running_slot() -> Slot | None:
    """Return the slot of the job that this thread or coroutine belongs to, or None."""
    slot = current_slot.get()
    if slot is not None and (slot.cancel is not None or slot.thread_id == threading.get_ident()):
        return slot
    starter: Slot | None = getattr(inherited, "slot", None)
    if starter is not None:
        return starter if starter.job is inherited.job else None
    return slot


def running_job() -> ClaimedJob | None:
    """Return the job that this thread or coroutine belongs to, or None."""
    slot = running_slot()
    return None if slot is None else slot.job


def get_context() -> TaskContext | None:
    """Return the running job's TaskContext, or None outside a job."""
    slot = running_slot()
    return None if slot is None else slot.context()
