"""DuckQueue: a queue in one DuckDB file, open to any number of processes at the same time."""

from __future__ import annotations

import _thread
import os
import weakref
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from queuack_store import helpers, names
from queuack_store.archiving import Archiving
from queuack_store.claiming import Claiming
from queuack_store.errors import InvalidRequestError, QueuackError
from queuack_store.following import Following
from queuack_store.managing import Age, Managing
from queuack_store.opening import open_store
from queuack_store.payload import JSON_REF, PICKLE, SERIALIZATIONS
from queuack_store.producing import Producing
from queuack_store.watching import Watching

if TYPE_CHECKING:
    from typing import Self

    from queuack_store.store import Store


DEFAULT_DB_PATH = "duckqueue.db"
DRAIN_SECONDS = 30.0
MAX_WORKERS = 1_000  # threads of one process


class DuckQueue(Producing, Claiming, Watching, Following, Managing, Archiving):
    """An open handle on a queue. Safe to use from many threads; a forked child's copy is its own handle.

    As a context manager it starts `workers_num` workers, if given, and closes on leaving. Without
    `with` nothing starts by itself. A handle that nothing refers to any more closes itself, in a thread of
    its own; rely on `with` or `close()` all the same, which return when it is closed.

    Args:
        db_path: a DuckDB file, made where there is none, or ":memory:" (private to this process). A
            relative path is taken from the current folder once, here.
        default_queue: where jobs go and come from when no queue is named.
        workers_num, worker_concurrency: workers to start in `with`, as threads of this process, and
            how many jobs each runs at once.
        poll_timeout: seconds that one wait of a worker may last; it bounds the wait, nothing polls.
        serialization: "pickle", or "json_ref": functions by name and arguments as JSON, and nothing is
            ever unpickled. allowed_modules: with json_ref, the modules whose functions may run here
            (and those below them); None allows all.
        retain: how long jobs are kept after their end, by status, such as {"done": "7d", "failed":
            timedelta(days=30)}; see `set_retention`. None leaves the rule that is in the file.
        owner: "process" lets a process of its own hold the file; "inline" holds it in this process.

    Raises:
        InvalidRequestError: a value out of its bounds. StorageError, OwnerError: the file can't be used;
            each case has an error of its own.
    """

    def __init__(
        self,
        db_path: str | os.PathLike[str] = DEFAULT_DB_PATH,
        default_queue: str = "default",
        workers_num: int | None = None,
        worker_concurrency: int = 1,
        poll_timeout: float = 1.0,
        serialization: str = PICKLE,
        allowed_modules: Iterable[str] | None = None,
        owner: str = "process",
        retain: Mapping[str, Age | None] | None = None,
    ) -> None:
        self.db_path = names.database_path(db_path)
        self.default_queue = names.queue_name(default_queue)
        self.workers_num = (
            None if workers_num is None else names.whole(workers_num, "workers_num", 0, MAX_WORKERS)
        )
        self.worker_concurrency = names.whole(worker_concurrency, "worker_concurrency", 1, MAX_WORKERS)
        self.poll_timeout = names.seconds(poll_timeout, "poll_timeout", positive=True)
        if serialization not in SERIALIZATIONS:
            raise InvalidRequestError(
                f"serialization must be one of {SERIALIZATIONS}, not {serialization!r:.200}"
            )
        self.serialization = str(serialization)
        self.allowed_modules = _modules(allowed_modules, serialization)
        self.owner = str(owner)
        ages = None if retain is None else names.retention(retain)
        self._held = {}
        self.closed = False
        self._pool: helpers.Pool | None = None
        self._pool_pid = 0
        self.store = self._open()
        self._unattended = weakref.finalize(self, _close_unattended, self.store)
        self._unattended.atexit = False  # a process that just ends is cut off; nothing is lost by it
        if ages is not None:
            try:
                self.set_retention(ages)
            except BaseException:
                self.close()
                raise

    def _open(self) -> Store:
        return open_store(self.db_path, self.owner)

    def __enter__(self) -> Self:
        if self.workers_num:
            self.start_workers(self.workers_num, self.worker_concurrency)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<DuckQueue {self.db_path} ({self.owner})>"

    def close(self) -> None:
        """Stop this handle's workers (they drain for up to 30 s), then close it; once is enough.

        Claims that were neither acked nor nacked go back unspent. Later calls raise StoreClosedError.

        Raises:
            FileReplacedError: the file was deleted or replaced while it was in use, and no call has said so
            yet. OwnerTimeoutError: the owner does not answer. The handle is closed all the same.
        """
        try:
            self.stop_workers()
        finally:
            self.closed = True
            self._held.clear()
            self._unattended.detach()
            self.store.close()

    def start_workers(self, num_workers: int = 4, concurrency: int = 1) -> None:
        """Start background workers as threads of this process, each running `concurrency` jobs at once.

        Raises:
            MissingPackageError: queuack-worker is not installed. InvalidRequestError: they run already.
        """
        num_workers = names.whole(num_workers, "num_workers", 1, MAX_WORKERS)
        concurrency = names.whole(concurrency, "concurrency", 1, MAX_WORKERS)
        if self._pool is not None and self._pool_pid == os.getpid():
            raise InvalidRequestError("this queue's workers run already: stop_workers() first")
        pool = helpers.load(helpers.WORKERS, "pool")(self, num_workers, concurrency)
        pool.start()
        self._pool, self._pool_pid = pool, os.getpid()

    def stop_workers(self, timeout: float = DRAIN_SECONDS) -> None:
        """Stop the workers that `start_workers` started, draining for up to `timeout` seconds.

        What has not ended by then goes back without spending an attempt. Does nothing without workers.
        """
        pool, self._pool = self._pool, None
        if pool is not None and self._pool_pid == os.getpid():  # a forked child has none of these threads
            pool.stop(timeout)

    def dag(
        self, name: str, description: str | None = None, validate: bool = True, fail_fast: bool = True
    ) -> Any:
        """Return a new `DAG` on this queue, to be used in `with`: it is submitted on a clean exit.

        Inside, `enqueue(func, name=..., depends_on=...)` of the DAG adds a node. `fail_fast` concerns
        validation: raise at once, else warn.

        Raises:
            MissingPackageError: queuack-dag is not installed.
        """
        return self.create_dag(name, description, validate, fail_fast)

    def create_dag(
        self,
        name: str,
        description: str | None = None,
        validate: bool = True,
        fail_fast: bool = True,
        **options: Any,
    ) -> Any:
        """Return a new `DAG` on this queue; further options are those of `DAG`.

        Raises:
            MissingPackageError: queuack-dag is not installed.
        """
        return helpers.load(helpers.DAGS, "dag")(
            name, queue=self, description=description, validate=validate, fail_fast=fail_fast, **options
        )


def _close_unattended(store: Store) -> None:
    # Collected at any moment in any thread, one that holds a lock of the store (or of threading) included:
    # so nothing is waited for here.
    _thread.start_new_thread(_close_quietly, (store,))


def _close_quietly(store: Store) -> None:
    try:
        store.close()
    except QueuackError:
        pass  # nobody is there to be told; the other end releases what this handle held


def _modules(allowed: Iterable[str] | None, serialization: str) -> tuple[str, ...] | None:
    if allowed is None:
        return None
    if serialization != JSON_REF:
        raise InvalidRequestError(
            "allowed_modules belongs to serialization='json_ref': a pickle may run any code, whatever its "
            "function"
        )
    if isinstance(allowed, str):
        raise InvalidRequestError(
            f"allowed_modules must be a list of module names, not the text {allowed!r:.200}"
        )
    return tuple(str(module) for module in allowed)
