"""A node that chooses which of its children go on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from queuack_store import ids
from queuack_store.around import Grown
from queuack_store.jobs import Growth
from queuack_store.requests import GetJob, Run, Sql
from queuack_store.store import Store
from queuack_worker.context import TaskContext
from queuack_worker.facts import facts_of
from queuack_worker.outcomes import Growing

from queuack_dag.errors import BranchError

_CHILDREN = """
SELECT j.id::VARCHAR, j.node_name, j.dag_run_id::VARCHAR, j.dependency_mode
FROM job_dependencies d JOIN jobs j ON j.id = d.child_id WHERE d.parent_id = $job::UUID
"""


class Branch(Growing):
    """Return it from a node to let only these of its children go on; the others are skipped, for good.

    Children that run `always` are spared, and so are jobs outside the DAG. A sub-DAG is chosen by its
    name, as any child. Without a name no child goes on.

    Args:
        names: of the children that go on. result: the node's own result.
    """

    def __init__(self, *names: str, result: Any = None) -> None:
        self.names = names
        self.result = result

    def __repr__(self) -> str:
        return f"Branch({', '.join(map(repr, self.names))})"

    def grow(self, context: TaskContext | None) -> Grown:
        """Return the node's result, and which children are closed.

        Raises:
            BranchError: no child bears one of the names, or the job is no node of a DAG.
        """
        if context is None or context.dag_run_id is None:
            raise BranchError(f"{self!r} was returned by a job that is no node of a DAG: there is no child")
        children = list(_children(context, context.dag_run_id))
        known = {name for _, name, _ in children}
        unknown = [name for name in self.names if name not in known]
        if unknown:
            raise BranchError(
                f"{self!r} of node {context.node_name!r} names {unknown[0]!r}, which is no child of it: "
                f"{', '.join(sorted(known)) or 'it has none'}",
                node=context.node_name,
            )
        closed = [
            ids.to_raw(job) for job, name, mode in children if name not in self.names and mode != "always"
        ]
        chosen = ", ".join(map(repr, self.names)) or "no child"
        return Grown(self.result, Growth(closed=closed, reason=f"{context.node_name!r} chose {chosen}"))


def _children(context: TaskContext, run_id: str) -> Iterator[tuple[str, str, str]]:
    """Yield (job id, name, mode) of the children in the DAG; a sub-DAG's first nodes bear its node's name."""
    store = context.queue.store
    names: dict[str, str | None] = {}
    for job, name, run, mode in store.call(Sql(_CHILDREN, {"job": context.job_id})).rows:
        if run is not None and run != run_id:
            if run not in names:
                names[run] = _name_of(store, run, run_id)
            name = names[run]
        if run is not None and name is not None:
            yield job, name, mode


def _name_of(store: Store, run: str, above: str) -> str | None:
    """Return the name of the node of run `above` behind which `run` is; None where it is another DAG's."""
    wanted = ids.to_raw(above)
    row = store.call(Run(ids.to_raw(run)))
    while row is not None and row["parent_id"] is not None:
        if row["parent_id"] == wanted:
            job = facts_of(row["facts"]).job
            view = None if job is None else store.call(GetJob(job))
            return None if view is None else str(view.node_name)
        row = store.call(Run(row["parent_id"]))
    return None
