"""DAGRun: a run as the store knows it, from any process, while it runs and after it has ended."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from queuack_store import ids, names
from queuack_store.errors import UnknownJobError
from queuack_store.jobs import JobView
from queuack_store.payload import decode_result
from queuack_store.requests import (
    CancelRun,
    GetResults,
    Retry,
    Run,
    RunChildren,
    RunJobs,
    Sql,
)
from queuack_store.states import DONE
from queuack_store.views import Job
from queuack_worker.facts import facts_of

from queuack_dag.errors import DAGStateError, UnknownNodeError, UnknownRunError
from queuack_dag.mapping import COLLECT_TASK
from queuack_dag.status import ENDED, DAGRunStatus, NodeStatus, Progress, of_run, progress_of
from queuack_dag.subdags import GATHER_TASK
from queuack_dag.views import NodeView, node_view, with_status

if TYPE_CHECKING:
    from queuack_store.queue import DuckQueue
    from queuack_viz import MermaidColorScheme

RESULTS_AT_ONCE = 500  # of at most 16 MB each; they travel in frames
_GATHERERS = (GATHER_TASK, COLLECT_TASK)  # of nodes with a run of their own below
_UNSUCCESSFUL = """
WITH RECURSIVE family AS (
    SELECT $run::UUID AS id
    UNION
    SELECT r.id FROM family f JOIN dag_runs r ON r.parent_id = f.id
)
SELECT id FROM jobs
WHERE dag_run_id IN (SELECT id FROM family) AND status IN ('failed', 'cancelled', 'skipped') ORDER BY seq
"""
_COUNTS = "SELECT status, count(*) FROM jobs WHERE dag_run_id = $run::UUID GROUP BY ALL"


class DAGRun:
    """One run of a DAG. It holds nothing but its id: every answer is the store's.

    Args:
        queue: an open DuckQueue on the file where the run is.
        run_id: what `DAG.submit` returned.

    Raises:
        InvalidRequestError: `run_id` is no id.
    """

    def __init__(self, queue: DuckQueue, run_id: str) -> None:
        self.queue = queue
        self._raw = ids.to_raw(run_id, "run id")
        self.dag_run_id = ids.to_text(self._raw)

    @classmethod
    def by_key(cls, queue: DuckQueue, run_key: str) -> DAGRun:
        """Return the latest run that was submitted under `run_key`.

        Raises:
            UnknownRunError: there is none.
        """
        row = queue.store.call(Run(key=run_key))
        if row is None:
            raise UnknownRunError(f"no run was submitted with the key {run_key!r}", key=run_key)
        return cls(queue, ids.to_text(row["id"]))

    def __repr__(self) -> str:
        return f"<DAGRun {self.dag_run_id}>"

    # -- how it stands ---------------------------------------------------------------------------

    def info(self) -> dict[str, Any]:
        """Return the run's row: `id, name, description, parent_id, run_key, status, created_at, completed_at`
        (seconds since the epoch) and `total`, its number of nodes.

        Raises:
            UnknownRunError: there is no such run.
        """
        row: dict[str, Any] | None = self.queue.store.call(Run(self._raw))
        if row is None:
            raise self._unknown()
        return row

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that it was submitted with, by name."""
        found = decode_result(
            facts_of(self.info()["facts"]).params, self.queue.serialization, "its parameters"
        )
        return dict(found or {})

    @property
    def name(self) -> str:
        """The DAG's name."""
        return str(self.info()["name"])

    def get_status(self) -> DAGRunStatus:
        """Return how the run stands; the engine keeps it with every job that ends."""
        return of_run(self.info()["status"])

    @property
    def status(self) -> DAGRunStatus:
        """The same as `get_status()`."""
        return self.get_status()

    def is_complete(self) -> bool:
        """Return whether every node has ended, however."""
        return self.get_status() in ENDED

    def get_progress(self) -> Progress:
        """Count the run's own nodes by `NodeStatus`; a sub-DAG counts as one."""
        rows = self.queue.store.call(Sql(_COUNTS, {"run": self.dag_run_id})).rows
        if not rows:
            self.info()
        return progress_of({str(status): int(count) for status, count in rows})

    @property
    def progress(self) -> Progress:
        """The same as `get_progress()`."""
        return self.get_progress()

    def get_jobs(self) -> list[NodeView]:
        """Return the run's own nodes in the order they were stored: the longest path first."""
        views: list[JobView] = self.queue.store.call(RunJobs(self._raw))
        if not views:
            self.info()
        nodes = [node_view(view, self.queue) for view in views]
        if any(node["task"] in _GATHERERS and node["status"] is NodeStatus.SKIPPED for node in nodes):
            behind = self._behind()
            nodes = [_as_its_run(node, behind) for node in nodes]
        return nodes

    @property
    def jobs(self) -> dict[str, str]:
        """The ids of the run's nodes by name."""
        return {node["name"]: node["id"] for node in self.get_jobs()}

    def get_job(self, name_or_id: str) -> NodeView | None:
        """Return a node by its name or id, or None where the run has none such."""
        for node in self.get_jobs():
            if name_or_id in (node["name"], node["id"]):
                return node
        return None

    def __getitem__(self, name: str) -> NodeView:
        """Return a node by its name or id.

        Raises:
            UnknownNodeError: the run has none such.
        """
        node = self.get_job(name)
        if node is None:
            raise UnknownNodeError(f"run {self.dag_run_id} has no node {name!r}", node=name)
        return node

    def update_status(self) -> None:
        """Do nothing: the engine keeps the status with every job that ends."""

    # -- results ---------------------------------------------------------------------------------

    def results(self) -> dict[str, Any]:
        """Return the results of the nodes that have succeeded so far, by name; of a sub-DAG, its last nodes'.

        Raises:
            PayloadError: one can't be loaded here.
        """
        done = [node for node in self.get_jobs() if node["status"] is NodeStatus.DONE]
        found: dict[str, Any] = {}
        for start in range(0, len(done), RESULTS_AT_ONCE):
            part = done[start : start + RESULTS_AT_ONCE]
            replies = self.queue.store.call(GetResults([ids.to_raw(node["id"]) for node in part]))
            for node, reply in zip(part, replies, strict=True):
                if reply.status != DONE:
                    continue
                if node["task"] in _GATHERERS:
                    found[node["name"]] = self.queue.get_result(node["id"])
                else:
                    what = f"node {node['name']}"
                    found[node["name"]] = decode_result(reply.result, self.queue.serialization, what)
        return found

    # -- sub-DAGs --------------------------------------------------------------------------------

    def get_subdags(self) -> list[DAGRun]:
        """Return the runs of its sub-DAGs, in the order they were added; not theirs in turn."""
        rows = [row for row in self._children() if not facts_of(row["facts"]).items]
        return [DAGRun(self.queue, ids.to_text(row["id"])) for row in rows]

    def get_items(self, name: str) -> DAGRun | None:
        """Return the items of the map `name` as a run, or None where it has none (yet).

        Raises:
            UnknownNodeError: there is no such node.
        """
        job = ids.to_raw(self[name]["id"])
        for row in self._children():
            facts = facts_of(row["facts"])
            if facts.items and facts.job == job:
                return DAGRun(self.queue, ids.to_text(row["id"]))
        return None

    def get_parent_job(self) -> Job | None:
        """Return the job that stands for this run in the DAG above it, or None where it is nobody's part."""
        job = facts_of(self.info()["facts"]).job
        return None if job is None else self.queue.get_job(ids.to_text(job))

    def get_hierarchy(self) -> dict[str, Any]:
        """Return it and its sub-DAGs as nested dicts: `dag_run_id, name, status, parent_job, subdags`."""
        info = self.info()
        job = facts_of(info["facts"]).job
        return {
            "dag_run_id": self.dag_run_id,
            "name": info["name"],
            "status": of_run(info["status"]),
            "parent_job": None if job is None else ids.to_text(job),
            "subdags": [child.get_hierarchy() for child in self.get_subdags()],
        }

    def _children(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.queue.store.call(RunChildren(self._raw))
        return sorted(found, key=lambda row: bytes(row["id"]))

    def _behind(self) -> dict[str, DAGRunStatus]:
        # The status of each sub-DAG by the id of the job that gathers its results.
        found = [(facts_of(row["facts"]).job, of_run(row["status"])) for row in self._children()]
        return {ids.to_text(job): status for job, status in found if job is not None}

    # -- waiting and running ---------------------------------------------------------------------

    def wait_for_completion(
        self,
        timeout: float | None = None,
        poll_interval: float = 1.0,
        callback: Callable[[Progress], object] | None = None,
    ) -> bool:
        """Wait until the run has ended, however; False when it has not within `timeout` seconds.

        The engine wakes it; nothing polls. With a `callback`, that is called with `get_progress()` every
        `poll_interval` seconds and once at the end.

        Raises:
            UnknownRunError: there is no such run.
        """
        from queuack_dag.waiting import wait_for_end

        limit = None if timeout is None else names.seconds(timeout, "timeout")
        tick = names.seconds(poll_interval, "poll_interval", positive=True)
        tell = None if callback is None else lambda: callback(self.get_progress())
        return wait_for_end(self, limit, tick, tell)

    def execute(
        self,
        poll_interval: float = 0.1,
        timeout: float | None = None,
        show_progress: bool = False,
        *,
        concurrency: int | None = None,
        processes: int = 0,
        timing: bool = False,
    ) -> bool:
        """Run the nodes in this process until the run has ended; True exactly when it ended `done`.

        It claims only jobs of this run and its sub-DAGs, in threads, or in `processes` child processes;
        other workers may help. When the time is up or Ctrl-C was pressed it stops cleanly, what has not
        ended goes back, and the run can be picked up again, here or elsewhere.

        Args:
            poll_interval: seconds between two looks at the progress that is shown.
            timeout: seconds; None for no limit. show_progress: a bar on the terminal.
            concurrency: threads, of this process (by default 4 per core, from 8 to 32) or of each child (1).
            timing: print one line per node at the end.

        Raises:
            KeyboardInterrupt: Ctrl-C (or SIGTERM) came; running nodes were let finish for up to 30 s.
            UnknownRunError: there is no such run. InvalidRequestError: a value out of its bounds.
        """
        from queuack_dag.execution import run_here
        from queuack_dag.progress import Display, Silence, write_timing

        tick = names.seconds(poll_interval, "poll_interval", positive=True)
        limit = None if timeout is None else names.seconds(timeout, "timeout")
        with Display(self.name) if show_progress else Silence() as display:

            def look() -> None:
                display.show(self.get_progress())

            try:
                status = run_here(
                    self.queue,
                    self._raw,
                    concurrency,
                    processes,
                    limit,
                    tick if show_progress else None,
                    look,
                )
            except UnknownJobError as error:
                raise self._unknown() from error
            if show_progress:
                look()
        if timing:
            write_timing(self.name, self.get_jobs())
        return status == DONE

    # -- changing --------------------------------------------------------------------------------

    def cancel(self, reason: str = "its run was cancelled") -> int:
        """Cancel what has not ended, sub-DAGs included, in one step; return how many jobs.

        Running nodes are told through their workers; until they have ended the run counts as running.

        Raises:
            UnknownRunError: there is no such run.
        """
        try:
            return int(self.queue.store.call(CancelRun(self._raw, str(reason))))
        except UnknownJobError as error:
            raise self._unknown() from error

    def retry(self, node: str) -> int:
        """Give one node (name or id) that failed, was cancelled or skipped a fresh set of attempts.

        Descendants that were skipped because of it come back with it. Of a sub-DAG: what of it did not
        succeed. Returns how many were revived by name; 0 where another parent still stands in the way.

        Raises:
            UnknownNodeError: no such node. DAGStateError: it has not ended, or is done.
        """
        found = self[node]
        if found["job_status"] not in ("failed", "cancelled", "skipped"):
            raise DAGStateError(
                f"node {found['name']!r} of run {self.dag_run_id} is {found['status'].value}: only a node "
                "that failed, was cancelled or skipped can be retried",
                node=found["name"],
            )
        wanted = [ids.to_raw(found["id"])]
        if found["task"] in _GATHERERS:
            for row in self._children():
                if facts_of(row["facts"]).job == wanted[0]:
                    wanted += DAGRun(self.queue, ids.to_text(row["id"]))._unsuccessful()
        return int(self.queue.store.call(Retry(wanted)))

    def resume(self) -> int:
        """Run again what failed, was cancelled or skipped, sub-DAGs included; keep what succeeded.

        Returns how many nodes came back; workers, or `execute()`, run them.

        Raises:
            UnknownRunError: there is no such run.
        """
        self.info()
        wanted = self._unsuccessful()
        return int(self.queue.store.call(Retry(wanted))) if wanted else 0

    def _unsuccessful(self) -> list[bytes]:
        # All in one question: a map may have a hundred thousand items.
        rows = self.queue.sql(_UNSUCCESSFUL, {"run": self.dag_run_id})
        return [ids.to_raw(str(job)) for (job,) in rows]

    # -- drawing ---------------------------------------------------------------------------------

    def export_mermaid(
        self, color_scheme: MermaidColorScheme | None = None, *, path: str | os.PathLike[str] | None = None
    ) -> str:
        """Return the run as a Mermaid flowchart, coloured by status; see `DAG.export_mermaid`."""
        from queuack_dag.drawing import draw
        from queuack_dag.picture import picture_of

        boxes, edges = picture_of(self)
        return draw(self.name, boxes, edges, color_scheme, path)

    def _unknown(self) -> UnknownRunError:
        return UnknownRunError(
            f"there is no run {self.dag_run_id} in {self.queue.db_path}: it never existed or was purged",
            id=self.dag_run_id,
        )


def _as_its_run(node: NodeView, behind: dict[str, DAGRunStatus]) -> NodeView:
    # The job that gathers is skipped where its sub-DAG did not succeed; the node then says how that ended.
    status = behind.get(node["id"])
    if node["status"] is NodeStatus.SKIPPED and status is DAGRunStatus.FAILED:
        return with_status(node, NodeStatus.FAILED)
    return node
