"""The part of a DAG in which its nodes are described, before anything is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from queuack_store import ids
from queuack_store.errors import InvalidRequestError

from queuack_dag import graph
from queuack_dag.blueprint import Blueprint, DependsOn
from queuack_dag.errors import DAGStateError, DAGValidationError
from queuack_dag.node import (
    MAX_ATTEMPTS,
    PRIORITY,
    TIMEOUT_SECONDS,
    Defaults,
    Node,
    Settings,
    checked_call,
    checked_name,
)
from queuack_dag.subdags import SUBDAG, is_factory

if TYPE_CHECKING:
    from queuack_store.queue import DuckQueue


class Describing:
    """Adds nodes and sub-DAGs to a blueprint."""

    _blueprint: Blueprint
    _defaults: Defaults
    queue: DuckQueue

    def _open_to_changes(self) -> None:
        raise NotImplementedError

    def add_node(
        self,
        func: Any,
        name: str | None = None,
        kind: str | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        depends_on: DependsOn = None,
        priority: int = PRIORITY,
        max_attempts: int = MAX_ATTEMPTS,
        timeout_seconds: float | None = TIMEOUT_SECONDS,
        dependency_mode: str = "all",
        *,
        queue: str | None = None,
        retry_delay: float | None = None,
        always: bool = False,
    ) -> str:
        """Add a node and return its job's id.

        Args:
            func: what it runs. A DAG, or a function that says it returns one, is added as a sub-DAG.
            name: by which others depend on it; by default the function's, numbered where it is taken.
            kind: "subdag" for a factory that does not say what it returns.
            args, kwargs: what to call it with.
            depends_on: names or ids of nodes added before, ids of jobs outside, or a list of them.
            priority, max_attempts, timeout_seconds (None: none): of its job; by default the DAG's.
            dependency_mode: "all" parents must succeed; the first success of "any" starts it; "always"
                runs it when all have ended, however. always: True is the same as "always".
            queue: the queue its job goes to; by default the queue's default one.
            retry_delay: seconds before the second attempt.

        Raises:
            DAGValidationError: a name that is taken, a parent that is not there (yet), or a cycle.
            DAGStateError: the DAG was submitted. InvalidRequestError: a value out of its bounds.
        """
        if isinstance(func, Describing) or (callable(func) and is_factory(func, kind)):
            if tuple(args) or kwargs:
                raise InvalidRequestError("a sub-DAG takes no args: give its nodes their own")
            return self.add_subdag(
                func, name, depends_on, priority, max_attempts, timeout_seconds, dependency_mode, queue=queue
            )
        if kind == SUBDAG:
            raise InvalidRequestError(f"a sub-DAG is a DAG or a factory, not {func!r:.200}")
        self._open_to_changes()
        positional, named = checked_call(func, args, kwargs)
        mode = "always" if always else dependency_mode
        settings = Settings.checked(
            self._defaults, priority, max_attempts, timeout_seconds, mode, queue, retry_delay
        )
        return self._add(func, _name_of(func), name, positional, named, depends_on, settings, None)

    add_job = add_node

    def enqueue(
        self,
        func: Any,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        name: str | None = None,
        depends_on: DependsOn = None,
        priority: int = PRIORITY,
        max_attempts: int = MAX_ATTEMPTS,
        timeout_seconds: float | None = TIMEOUT_SECONDS,
        dependency_mode: str = "all",
        **more: Any,
    ) -> str:
        """Add a node as `add_node` does, its arguments in the order of `DuckQueue.enqueue`."""
        return self.add_node(
            func, name, None, args, kwargs, depends_on, priority, max_attempts, timeout_seconds,
            dependency_mode, **more,
        )  # fmt: skip

    def add_subdag(
        self,
        dag_or_factory: Describing | Callable[..., Any],
        name: str | None = None,
        depends_on: DependsOn = None,
        priority: int = PRIORITY,
        max_attempts: int = MAX_ATTEMPTS,
        timeout_seconds: float | None = TIMEOUT_SECONDS,
        dependency_mode: str = "all",
        *,
        queue: str | None = None,
    ) -> str:
        """Add a DAG as one node of this one, and return the id of the job that gathers its results.

        Its first nodes wait for `depends_on`; who depends on it waits until it has succeeded, and gets
        its last nodes' results by name. It is unfolded into the same request, as a run below this one's.
        A factory is called once, now, with this DAG's queue. The same DAG may be added more than once.

        Raises:
            DAGValidationError: as for `add_node`, or a DAG that would hold itself.
            DAGStateError: this DAG, or the one to be added, was submitted.
        """
        self._open_to_changes()
        inner = dag_or_factory
        if not isinstance(inner, Describing):
            if not callable(inner):
                raise InvalidRequestError(
                    f"a sub-DAG is a DAG or a factory that makes one, not {inner!r:.200}"
                )
            inner = inner(self.queue)
        if not isinstance(inner, Describing):
            raise InvalidRequestError(f"the factory of a sub-DAG must return a DAG, not {inner!r:.200}")
        inner._open_to_changes()
        blueprint = inner._blueprint
        if any(part is self._blueprint for part in blueprint.everything()):
            raise DAGValidationError(
                f"DAG {self._blueprint.name!r} can't hold itself: {blueprint.name!r} leads back to it",
                nodes=[self._blueprint.name, blueprint.name],
            )
        settings = Settings.checked(
            self._defaults, priority, max_attempts, timeout_seconds, dependency_mode, queue, None
        )
        return self._add(None, blueprint.name, name, (), None, depends_on, settings, blueprint)

    def _add(
        self,
        func: Callable[..., Any] | None,
        wanted: str,
        name: str | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
        depends_on: DependsOn,
        settings: Settings,
        inner: Blueprint | None,
    ) -> str:
        blueprint = self._blueprint
        name = blueprint.free_name(wanted) if name is None else checked_name(name)
        parents = blueprint.resolve(name, depends_on)
        fresh = inner is not None and inner.used
        node = Node(ids.new_id(), name, func, args, kwargs, parents, settings, inner, fresh)
        blueprint.add(node)
        if inner is not None:
            inner.used = True
        return ids.to_text(node.id)

    def validate(self) -> list[str]:
        """Check the graph and return warnings: what can be run but looks unintended.

        Raises:
            DAGValidationError: it can't be run: no nodes, a name used twice, an unknown parent, a cycle.
        """
        self._blueprint.check()
        return self._blueprint.warnings()

    def get_execution_order(self) -> list[list[str]]:
        """Return the nodes' names by level: each one's parents are in earlier levels.

        Only information: a node starts as soon as its own parents have ended.
        """
        self._blueprint.check()
        return graph.levels(self._blueprint.parents())

    def get_critical_path(self) -> list[str]:
        """Return the names along the longest path, counted in nodes."""
        self._blueprint.check()
        return graph.critical_path(self._blueprint.parents())

    def get_ancestors(self, name: str) -> set[str]:
        """Return the names of all nodes that `name` depends on, however indirectly."""
        return graph.ancestors(self._blueprint.parents(), self._known(name))

    def get_descendants(self, name: str) -> set[str]:
        """Return the names of all nodes that depend on `name`, however indirectly."""
        return graph.descendants(self._blueprint.parents(), self._known(name))

    def _known(self, name: str) -> str:
        if name not in self._blueprint.nodes:
            raise DAGValidationError(f"DAG {self._blueprint.name!r} has no node {name!r}", nodes=[name])
        return name


def _name_of(func: Any) -> str:
    inner = getattr(func, "func", func)  # functools.partial
    name = getattr(inner, "__name__", None) or type(func).__name__
    return "node" if name == "<lambda>" else str(name)


def submitted(name: str, run_id: str) -> DAGStateError:
    """Return the error for a change to a DAG that was submitted."""
    return DAGStateError(
        f"DAG {name!r} was submitted as run {run_id}: it can't be changed any more; make a new DAG",
        run_id=run_id,
    )
