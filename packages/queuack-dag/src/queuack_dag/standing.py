"""How a run stands: status, nodes, results, sub-DAGs, timings; asked of the store alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queuack_store import ids
from queuack_store.clock import wall
from queuack_store.jobs import JobView
from queuack_store.payload import decode_result
from queuack_store.requests import GetResults, Run, RunChildren, RunJobs, Sql
from queuack_store.states import DONE
from queuack_store.views import Job
from queuack_worker.facts import facts_of

from queuack_dag.errors import UnknownNodeError, UnknownRunError
from queuack_dag.mapping import COLLECT_TASK
from queuack_dag.status import ENDED, DAGRunStatus, NodeStatus, Progress, counted, of_run, progress_of
from queuack_dag.subdags import GATHER_TASK
from queuack_dag.views import NodeView, node_view, with_status

if TYPE_CHECKING:
    from typing import Self

    from queuack_store.queue import DuckQueue

    from queuack_dag.diffing import RunDiff
    from queuack_dag.forecast import Eta
    from queuack_dag.timing import NodeTiming

RESULTS_AT_ONCE = 500  # of at most 16 MB each; they travel in frames
GATHERERS = (GATHER_TASK, COLLECT_TASK)  # of nodes with a run of their own below
_COUNTS = """
SELECT status, count(*), count(*) FILTER (status = 'skipped' AND task IN ($gather, $collect))
FROM jobs WHERE dag_run_id = $run::UUID GROUP BY ALL
"""


class Standing:
    """How one run stands: every answer is the store's."""

    def __init__(self, queue: DuckQueue, run_id: str) -> None:
        self.queue = queue
        self.raw_id = ids.to_raw(run_id, "run id")
        self.dag_run_id = ids.to_text(self.raw_id)

    @classmethod
    def by_key(cls, queue: DuckQueue, run_key: str) -> Self:
        """Return the latest run that was submitted under `run_key`.

        Raises:
            UnknownRunError: there is none.
        """
        row = queue.store.call(Run(key=run_key))
        if row is None:
            raise UnknownRunError(f"no run was submitted with the key {run_key!r}", key=run_key)
        return cls(queue, ids.to_text(row["id"]))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.dag_run_id}>"

    # -- how it stands ---------------------------------------------------------------------------

    def info(self) -> dict[str, Any]:
        """Return the run's row: `id, name, description, parent_id, run_key, status, created_at, completed_at`
        (seconds since the epoch) and `total`, its number of nodes.

        Raises:
            UnknownRunError: there is no such run.
        """
        row: dict[str, Any] | None = self.queue.store.call(Run(self.raw_id))
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
        asked = {"run": self.dag_run_id, "gather": GATHER_TASK, "collect": COLLECT_TASK}
        rows = self.queue.store.call(Sql(_COUNTS, asked)).rows
        if not rows:
            self.info()
        if any(gathering for _, _, gathering in rows):  # these say how the run below ended
            return counted(node["status"] for node in self.get_jobs())
        return progress_of({str(status): int(count) for status, count, _ in rows})

    @property
    def progress(self) -> Progress:
        """The same as `get_progress()`."""
        return self.get_progress()

    def get_jobs(self) -> list[NodeView]:
        """Return the run's own nodes in the order they were stored: the longest path first."""
        views: list[JobView] = self.queue.store.call(RunJobs(self.raw_id))
        if not views:
            self.info()
        nodes = [node_view(view, self.queue) for view in views]
        if any(node["task"] in GATHERERS and node["status"] is NodeStatus.SKIPPED for node in nodes):
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
                if node["task"] in GATHERERS:
                    found[node["name"]] = self.queue.get_result(node["id"])
                else:
                    what = f"node {node['name']}"
                    found[node["name"]] = decode_result(reply.result, self.queue.serialization, what)
        return found

    # -- timings and comparisons -----------------------------------------------------------------

    def timings(self) -> dict[str, NodeTiming]:
        """Return when each node waited and ran, by name; a sub-DAG or map as the one node it is here."""
        from queuack_dag.timing import timings_of

        return timings_of(self)

    def get_critical_path(self) -> list[NodeTiming]:
        """Return the measured critical path: each node is what the next one had to wait for.

        Of a run that still goes on, that of what has ended.
        """
        from queuack_dag.timing import measured_path

        return measured_path(self.timings())

    def eta(self) -> Eta:
        """Return when the run is expected to end, from up to 10 earlier runs of the same DAG name.

        Raises:
            UnknownRunError: there is no such run.
        """
        from queuack_dag.forecast import eta_of

        return eta_of(self, wall())

    def diff(self, other: Standing) -> RunDiff:
        """Return what differs from `other` to this run: parameters, and of each node code, outcome and time.

        Ranked by what each did to the total. `other` may be in another file.
        """
        from queuack_dag.diffing import diff

        return diff(other, self)

    # -- sub-DAGs --------------------------------------------------------------------------------

    def get_subdags(self) -> list[Self]:
        """Return the runs of its sub-DAGs, in the order they were added; not theirs in turn."""
        rows = [row for row in self._children() if not facts_of(row["facts"]).items]
        return [type(self)(self.queue, ids.to_text(row["id"])) for row in rows]

    def get_items(self, name: str) -> Self | None:
        """Return the items of the map `name` as a run, or None where it has none (yet).

        Raises:
            UnknownNodeError: there is no such node.
        """
        job = ids.to_raw(self[name]["id"])
        for row in self._children():
            facts = facts_of(row["facts"])
            if facts.items and facts.job == job:
                return type(self)(self.queue, ids.to_text(row["id"]))
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
        found: list[dict[str, Any]] = self.queue.store.call(RunChildren(self.raw_id))
        return sorted(found, key=lambda row: bytes(row["id"]))

    def _behind(self) -> dict[str, DAGRunStatus]:
        # The status of each sub-DAG by the id of the job that gathers its results.
        found = [(facts_of(row["facts"]).job, of_run(row["status"])) for row in self._children()]
        return {ids.to_text(job): status for job, status in found if job is not None}

    def _unknown(self) -> UnknownRunError:
        return UnknownRunError(
            f"there is no run {self.dag_run_id} in {self.queue.db_path}: it never existed or was purged",
            id=self.dag_run_id,
        )


def _as_its_run(node: NodeView, behind: dict[str, DAGRunStatus]) -> NodeView:
    # The job that gathers is skipped where its sub-DAG did not succeed; the node then says how that ended.
    status = behind.get(node["id"])
    if node["status"] is NodeStatus.SKIPPED and status in (DAGRunStatus.FAILED, DAGRunStatus.CANCELLED):
        return with_status(node, NodeStatus(status.value))
    return node
