"""Plain functions as the nodes of a DAG: calling one with what others return draws the edges."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast

from queuack_store.errors import InvalidRequestError
from queuack_worker.context import get_context

from queuack_dag.outputs import Output

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Owner(Protocol):
    """The part of a DAG that a task needs; see `DAG`."""

    @property
    def name(self) -> str: ...

    @property
    def add_node(self) -> Callable[..., str]: ...

    @property
    def map(self) -> Callable[..., str]: ...

    def output_of(self, job: str) -> Output:
        """Return what stands for the result of a node, given its job's id."""
        ...


class Task(Generic[P, R]):
    """A function of a DAG. While the DAG is described, a call adds a node and returns its output.

    The output is typed as the function's result, so that a type checker sees wrong edges; it can only be
    passed on: to other tasks, as an argument or in a list, tuple or dict, or as `depends_on`. In a job the
    task is the function itself, and `func` is everywhere.
    """

    def __init__(self, owner: Owner, func: Callable[P, R], options: dict[str, Any]) -> None:
        update_wrapper(self, func)
        self.func = func
        self._owner = owner
        self._options = options

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if get_context() is not None:
            return self.func(*args, **kwargs)
        job = self._owner.add_node(self.func, args=args, kwargs=kwargs, **self._options)
        return cast("R", self._owner.output_of(job))

    def map(self, over: Iterable[Any], **options: Any) -> list[R]:
        """Add a map over what another task returned, a list or a StreamReader; return its output.

        Options: those of `DAG.map`.

        Raises:
            InvalidRequestError: `over` is no output of a task.
        """
        if not isinstance(over, Output):
            raise InvalidRequestError(
                f"{self!r} maps over what another task of its DAG returns, not over {over!r:.200}"
            )
        job = self._owner.map(self.func, over, **{**self._options, **options})
        return cast("list[R]", self._owner.output_of(job))

    def with_options(self, **options: Any) -> Task[P, R]:
        """Return the same task with other options of `DAG.add_node`, such as `name` or `depends_on`."""
        return Task(self._owner, self.func, {**self._options, **options})

    def __repr__(self) -> str:
        return f"<task {getattr(self, '__qualname__', self.func)} of DAG {self._owner.name!r}>"

    def __reduce__(self) -> Any:
        return _function_of, (self.func,)


def _function_of(func: T) -> T:
    return func
