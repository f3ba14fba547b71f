"""The part of a DAG in which its nodes are described, before anything is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, overload

from queuack_store import ids
from queuack_store.errors import InvalidRequestError

from queuack_dag import graph
from queuack_dag.blueprint import Blueprint, DependsOn
from queuack_dag.errors import DAGStateError, DAGValidationError
from queuack_dag.node import (
    MAX_ATTEMPTS,
    PRIORITY,
    TIMEOUT_SECONDS,
    CacheSpec,
    Defaults,
    MapSpec,
    Node,
    Settings,
    checked_caching,
    checked_call,
    checked_mapping,
    checked_name,
)
from queuack_dag.outputs import Output, places
from queuack_dag.subdags import SUBDAG, checked_kind, is_factory, made_by
from queuack_dag.tasks import P, R, Task

if TYPE_CHECKING:
    from queuack_store.queue import DuckQueue


class Describing:
    """Adds nodes and sub-DAGs to a blueprint."""

    _blueprint: Blueprint
    _defaults: Defaults
    queue: DuckQueue

    @property
    def name(self) -> str:
        """The DAG's name."""
        return self._blueprint.name

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
        cache: bool = False,
        ttl: float | None = None,
    ) -> str:
        """Add a node and return its job's id.

        Args:
            func: what it runs. A DAG, or a function that says it returns one, is added as a sub-DAG.
            name: by which others depend on it; by default the function's, numbered where it is taken.
            kind: "subdag" for a factory that does not say what it returns; "job" for what is only to be run.
            args, kwargs: what to call it with.
            depends_on: names or ids of nodes added before, ids of jobs outside, or a list of them.
            priority, max_attempts, timeout_seconds (None: none): of its job; by default the DAG's.
            dependency_mode: "all" parents must succeed; the first success of "any" starts it; "always"
                runs it when all have ended, however. always: True is the same as "always".
            queue: the queue its job goes to; by default the queue's default one.
            retry_delay: seconds before the second attempt.
            cache: take its result from an earlier run where its code, its arguments and its parents' results
                are unchanged since. ttl: seconds after which such a result is too old; None: never.

        Raises:
            DAGValidationError: a name that is taken, a parent that is not there (yet), or a cycle.
            DAGStateError: the DAG was submitted. InvalidRequestError: a value out of its bounds.
        """
        kind = checked_kind(kind)
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
        caching = checked_caching(cache, ttl, settings.mode, name)
        return self._add(func, name, positional, named, depends_on, settings, caching=caching)

    add_job = add_node

    @overload
    def task(self, func: Callable[P, R], /) -> Task[P, R]: ...

    @overload
    def task(self, /, **options: Any) -> Callable[[Callable[P, R]], Task[P, R]]: ...

    def task(self, func: Callable[P, R] | None = None, /, **options: Any) -> Any:
        """Make a function a task of this DAG: `@dag.task`, or `@dag.task(cache=True)` with any of add_node's
        options. Calling it adds a node; see `Task`.
        """
        if func is not None:
            return Task(self, func, options)
        return lambda func: Task(self, func, options)

    def output_of(self, name_or_id: str) -> Output:
        """Return what stands for a node's result: to be passed to tasks, or as an argument of nodes.

        Raises:
            DAGValidationError: the DAG has no such node.
        """
        for name, node in self._blueprint.nodes.items():
            if name_or_id in (name, ids.to_text(node.id)):
                return Output(self._blueprint, name)
        raise DAGValidationError(
            f"DAG {self._blueprint.name!r} has no node {name_or_id!r}", nodes=[name_or_id]
        )

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

    def map(
        self,
        func: Callable[..., Any],
        over: str | Output,
        name: str | None = None,
        batch: int | None = None,
        min_success: float = 1.0,
        *,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        depends_on: DependsOn = None,
        priority: int = PRIORITY,
        max_attempts: int = MAX_ATTEMPTS,
        timeout_seconds: float | None = TIMEOUT_SECONDS,
        queue: str | None = None,
        retry_delay: float | None = None,
        cache: bool = False,
        ttl: float | None = None,
    ) -> str:
        """Add a node that is one job per item of what another returned; return the id of its last job.

        The items' jobs are made when that node ends. Who depends on the map gets the list of their
        results, in order.

        Args:
            func: called with an item, then `args` and `kwargs`.
            over: the node that returns the items: a list, or a StreamReader.
            batch: items per job; the results are the same list.
            min_success: the share of jobs that must succeed. Below 1 the map waits for all; results of those
                that failed are left out. The run still counts as failed where a job of it did.
            depends_on: what the items' jobs wait for besides.
            cache, ttl: as of `add_node`, for each item by itself (with `batch`, for each batch).
            The others are those of each item's job.

        Raises:
            As `add_node`.
        """
        self._open_to_changes()
        positional, named = checked_call(func, args, kwargs)
        settings = Settings.checked(
            self._defaults, priority, max_attempts, timeout_seconds, "all", queue, retry_delay
        )
        name = self._blueprint.free_name(_name_of(func)) if name is None else checked_name(name)
        source = self._blueprint.resolve(name, over)
        if len(source) != 1 or not isinstance(source[0], str):
            raise InvalidRequestError(
                f"map {name!r} goes over one node of its own DAG, not over {over!r:.200}"
            )
        mapping = checked_mapping(source[0], batch, min_success)
        caching = checked_caching(cache, ttl, "all", name)
        others = [one for one in self._blueprint.resolve(name, depends_on) if one != source[0]]
        parents = (source[0], *others)
        return self._add(func, name, positional, named, parents, settings, mapping=mapping, caching=caching)

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
            DAGValidationError: as for `add_node`, or a DAG that would hold itself, or a factory that adds
                itself without end.
            DAGStateError: this DAG, or the one to be added, was submitted.
        """
        self._open_to_changes()
        inner = dag_or_factory
        if not isinstance(inner, Describing):
            if not callable(inner):
                raise InvalidRequestError(
                    f"a sub-DAG is a DAG or a factory that makes one, not {inner!r:.200}"
                )
            inner = made_by(inner, self.queue)
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
        return self._add(None, name, (), None, depends_on, settings, inner=blueprint)

    def _add(
        self,
        func: Callable[..., Any] | None,
        name: str | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
        depends_on: DependsOn | tuple[str | bytes, ...],
        settings: Settings,
        *,
        inner: Blueprint | None = None,
        mapping: MapSpec | None = None,
        caching: CacheSpec | None = None,
    ) -> str:
        blueprint = self._blueprint
        if name is None:
            name = blueprint.free_name(_name_of(func) if inner is None else inner.name)
        parents = blueprint.resolve(checked_name(name), depends_on)
        outputs: list[Output] = []
        args, kwargs = places(args, outputs), places(kwargs, outputs)
        if mapping is not None and any(one.name == mapping.over for one in outputs):
            raise InvalidRequestError(
                f"map {name!r} hands out what {mapping.over!r} returns one by one: to give each item the "
                "whole as well, let a node between them return it"
            )
        if outputs:
            parents = tuple(dict.fromkeys((*parents, *blueprint.resolve(name, outputs))))
        fresh = inner is not None and inner.used
        node = Node(
            ids.new_id(), name, func, args, kwargs, parents, settings, inner, fresh, mapping, caching,
            bool(outputs),
        )  # fmt: skip
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
