"""DAG: describe a workflow, submit it in one request, and follow its run."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from queuack_store import ids
from queuack_store.errors import InvalidRequestError, UnknownJobError
from queuack_store.queue import DEFAULT_DB_PATH, DuckQueue
from queuack_store.requests import Enqueue, Enqueued, GetJob

from queuack_dag.blueprint import Blueprint
from queuack_dag.describing import Describing, submitted
from queuack_dag.encoding import Encoding
from queuack_dag.errors import DAGStateError, UnknownNodeError
from queuack_dag.node import Defaults
from queuack_dag.params import bound
from queuack_dag.plan import Layout, layout
from queuack_dag.run import DAGRun
from queuack_dag.status import DAGRunStatus, NodeStatus, Progress, progress_of
from queuack_dag.views import NodeView, node_view

if TYPE_CHECKING:
    from typing import Self

    from queuack_viz import MermaidColorScheme

    from queuack_dag.planning import Planned


class DAG(Describing):
    """A workflow: nodes that start as soon as their own parents have ended.

    Once submitted it is a run in the queue, which the engine resolves; this object only asks `run`, a
    `DAGRun`, and may go away. As a context manager it submits on a clean exit.

    Args:
        name, description: for people. queue: an open DuckQueue. Without one the DAG owns one on the
            default path, opened whenever it is needed and closed by `close()` or on leaving `with`,
            where it also runs workers meanwhile.
        validate: look for what seems unintended at submission, and warn.
        fail_fast: True raises what is wrong with a node when it is added; False warns then and raises
            only what can't be stored, at submission. It never ends a run.
        timing: print one line per node after `execute()`.
        max_retries, retry_delay, timeout_per_task, priority: of nodes that say nothing themselves;
            retry_delay and timeout_per_task in seconds.
        show_progress: `execute()` shows a bar.
        run_key: identifies the run: whoever submits with the same key again gets the run there is.

    Raises:
        InvalidRequestError: a value out of its bounds.
    """

    def __init__(
        self,
        name: str,
        queue: DuckQueue | None = None,
        description: str | None = None,
        validate: bool = True,
        fail_fast: bool = True,
        timing: bool = False,
        max_retries: int | None = None,
        retry_delay: float | None = None,
        timeout_per_task: float | None = None,
        show_progress: bool = False,
        *,
        priority: int | None = None,
        run_key: str | None = None,
    ) -> None:
        self._blueprint = Blueprint(name, description, fail_fast)
        self._defaults = Defaults.checked(max_retries, retry_delay, timeout_per_task, priority)
        self._validate = validate
        self._timing = timing
        self._show_progress = show_progress
        self._run_key = run_key
        self._given = queue
        self._own: DuckQueue | None = None
        self._own_path = os.path.abspath(DEFAULT_DB_PATH)  # of this moment, as DuckQueue takes it
        self._run: DAGRun | None = None
        self._adopted = False  # the run was there already: another DAG's nodes have its ids

    # -- what it is ------------------------------------------------------------------------------

    @property
    def description(self) -> str | None:
        """What was said of it."""
        return self._blueprint.description

    @property
    def queue(self) -> DuckQueue:  # type: ignore[override]
        """The queue it goes to; its own is opened by asking for it, after `close()` once more."""
        if self._given is not None:
            return self._given
        if self._own is None:
            self._own = DuckQueue(self._own_path)
        return self._own

    @property
    def run(self) -> DAGRun:
        """The run it was submitted as.

        Raises:
            DAGStateError: it has not been submitted.
        """
        if self._run is None:
            raise DAGStateError(f"DAG {self.name!r} has not been submitted: submit() or execute() it first")
        if self._run.queue is not self.queue:  # its own was closed, and is open again by asking for it
            self._run = DAGRun(self.queue, self._run.dag_run_id)
        return self._run

    @property
    def dag_run_id(self) -> str | None:
        """The run's id, None before it is submitted."""
        return None if self._run is None else self._run.dag_run_id

    @property
    def jobs(self) -> dict[str, str]:
        """The ids of the nodes' jobs by name."""
        if self._run is not None and self._adopted:
            return self.run.jobs
        return {name: ids.to_text(node.id) for name, node in self._blueprint.nodes.items()}

    def __repr__(self) -> str:
        return f"<DAG {self.name!r}, {len(self._blueprint.nodes)} nodes, run {self.dag_run_id}>"

    def with_timing(self) -> Self:
        """Let `execute()` print one line per node at its end; returns the DAG."""
        self._timing = True
        return self

    # -- submitting ------------------------------------------------------------------------------

    def submit(
        self,
        run_key: str | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        refresh: bool | Collection[str] = False,
    ) -> str:
        """Store the DAG with its jobs and edges in one request, and return the run's id.

        A second call returns the same id. With a `run_key` (here or given to the DAG) that was used
        before, nothing is stored and the DAG stands for the run there is.

        Args:
            params: values by name, for every function with a parameter of that name which its node leaves
                open; all are in `context.params`.
            refresh: names of cached nodes to run again all the same; True: all of them.

        Raises:
            DAGValidationError: it can't be run, or the params don't fit the functions. PayloadError: a
                function, argument or parameter can't be stored. UnknownJobError: a parent outside it does not
                exist. In all cases nothing was stored.
        """
        if self._run is not None:
            return self._run.dag_run_id
        key = self._run_key if run_key is None else run_key
        if key is not None and (not isinstance(key, str) or not key):
            raise InvalidRequestError(f"run_key must be a text, not {key!r:.200}")
        found = self._layout(key)
        encoding = self._encoding(found, params, refresh)
        if self._validate:
            for text in self._blueprint.warnings():
                warnings.warn(f"DAG {self.name!r}: {text}", UserWarning, stacklevel=2)
        queue = self.queue
        try:
            reply: Enqueued = queue.store.call(Enqueue(encoding.jobs(), None, encoding.runs()))
        except UnknownJobError as error:
            raise _named(error, found) from None
        self._adopted = reply.run_id is not None
        self._run = DAGRun(queue, ids.to_text(found.run_id if reply.run_id is None else reply.run_id))
        return self._run.dag_run_id

    def plan(
        self, *, params: Mapping[str, Any] | None = None, refresh: bool | Collection[str] = False
    ) -> list[Planned]:
        """Return what `submit` with the same arguments would do with each node, and why; nothing is stored.

        A node runs, or has its result from an earlier run (`cached`). One behind a node that runs is decided
        when that has ended.

        Raises:
            DAGValidationError: as `submit`.
        """
        from queuack_dag.planning import plan_of

        found = self._layout()
        return plan_of(self.queue, found, self._encoding(found, params, refresh))

    def _encoding(
        self, found: Layout, params: Mapping[str, Any] | None, refresh: bool | Collection[str]
    ) -> Encoding:
        if isinstance(refresh, str):
            refresh = (refresh,)
        known = {node.name for part in self._blueprint.everything() for node in part.nodes.values()}
        for name in () if isinstance(refresh, bool) else refresh:
            if name not in known:
                raise UnknownNodeError(f"DAG {self.name!r} has no node {name!r} to refresh", node=name)
        extra = None if params is None else bound(self._blueprint, params)
        queue = self.queue
        return Encoding(found, queue.default_queue, queue.serialization, params, extra, refresh)

    def _layout(self, key: str | None = None) -> Layout:
        return layout(self._blueprint, ids.new_id(), key)

    def _open_to_changes(self) -> None:
        if self._run is not None:
            raise submitted(self.name, self._run.dag_run_id)

    # -- running and waiting ---------------------------------------------------------------------

    def execute(
        self,
        poll_interval: float = 0.1,
        timeout: float | None = None,
        show_progress: bool = False,
        *,
        concurrency: int | None = None,
        processes: int = 0,
    ) -> bool:
        """Submit the DAG if need be and run it in this process; see `DAGRun.execute`.

        Returns True exactly when the run ended `done`: no node failed or was cancelled.
        """
        self.submit()
        return self.run.execute(
            poll_interval,
            timeout,
            show_progress or self._show_progress,
            concurrency=concurrency,
            processes=processes,
            timing=self._timing,
        )

    def wait_for_completion(
        self,
        timeout: float | None = None,
        poll_interval: float = 1.0,
        callback: Callable[[Progress], object] | None = None,
    ) -> bool:
        """Wait until the run has ended, however; False on time-out. See `DAGRun.wait_for_completion`.

        Raises:
            DAGStateError: it has not been submitted.
        """
        return self.run.wait_for_completion(timeout, poll_interval, callback)

    def cancel(self, reason: str = "its run was cancelled") -> int:
        """Cancel what has not ended; see `DAGRun.cancel`."""
        return self.run.cancel(reason)

    def retry(self, node: str) -> int:
        """Give one node a fresh set of attempts; see `DAGRun.retry`."""
        return self.run.retry(node)

    def resume(self) -> int:
        """Run again what did not succeed; see `DAGRun.resume`."""
        return self.run.resume()

    def results(self) -> dict[str, Any]:
        """Return the results so far by name; see `DAGRun.results`."""
        return self.run.results()

    # -- how it stands ---------------------------------------------------------------------------

    @property
    def status(self) -> DAGRunStatus:
        """How the run stands; PENDING before it is submitted."""
        return DAGRunStatus.PENDING if self._run is None else self.run.get_status()

    @property
    def progress(self) -> Progress:
        """The same as `get_progress()`."""
        return self.get_progress()

    def get_progress(self) -> Progress:
        """Count the nodes by `NodeStatus`; all are PENDING before the DAG is submitted."""
        if self._run is not None:
            return self.run.get_progress()
        return progress_of({"waiting": len(self._blueprint.nodes)})

    def is_complete(self) -> bool:
        """Return whether the DAG was submitted and every node has ended."""
        return self._run is not None and self.run.is_complete()

    def update_status(self) -> None:
        """Do nothing: the engine keeps the status with every job that ends."""

    def get_jobs(self) -> list[NodeView]:
        """Return the nodes as they stand; before the DAG is submitted only `id, name, status`."""
        if self._run is not None:
            return self.run.get_jobs()
        return [
            NodeView({"id": job, "name": name, "status": NodeStatus.PENDING}, None)
            for name, job in self.jobs.items()
        ]

    def get_job(self, name_or_id: str) -> NodeView | None:
        """Return a node by its name or its job's id, or None where there is none such."""
        if self._run is not None and not self._adopted:
            node = self._blueprint.nodes.get(name_or_id)
            if node is not None and node.inner is None:
                view = self.queue.store.call(GetJob(node.id))
                return None if view is None else node_view(view, self.queue)
            return self.run.get_job(name_or_id)
        for row in self.get_jobs():
            if name_or_id in (row["name"], row["id"]):
                return row
        return None

    def __getitem__(self, name: str) -> NodeView:
        """Return a node of the run by its name or id; see `DAGRun`."""
        return self.run[name]

    def export_mermaid(
        self, color_scheme: MermaidColorScheme | None = None, *, path: str | os.PathLike[str] | None = None
    ) -> str:
        """Return the DAG as a Mermaid flowchart, once submitted coloured by status.

        Args:
            color_scheme: the colours; by default `MermaidColorScheme.default()`.
            path: also write it there: .mmd, .md or .html.
        """
        if self._run is not None:
            return self.run.export_mermaid(color_scheme, path=path)
        from queuack_dag.drawing import boxes_of, draw

        boxes, edges = boxes_of(self._layout())
        return draw(self.name, boxes, edges, color_scheme, path)

    # -- its own queue ---------------------------------------------------------------------------

    def close(self) -> None:
        """Close the queue that the DAG opened for itself, its workers first; a given one stays open."""
        own, self._own = self._own, None
        if own is not None:
            own.close()

    def __enter__(self) -> Self:
        if self._given is None:
            self.queue.start_workers()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.submit()
        finally:
            self.close()


def _named(error: UnknownJobError, found: Layout) -> UnknownJobError:
    # The engine knows the jobs by their ids; who described the DAG knows the nodes by their names.
    parent = str(error.facts["id"])
    raw = ids.to_raw(parent)
    names = [step.node.name for step in found.steps if raw in step.node.parents]
    if not names:
        return error
    return UnknownJobError(
        f"node {names[0]!r} of DAG {found.name!r} depends on job {parent}, which does not exist or was "
        "purged: nothing was submitted; leave that parent out, or enqueue it again",
        id=parent,
        nodes=names,
    )
