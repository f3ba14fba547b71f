"""Places in a node's arguments for other nodes' results, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from queuack_dag.errors import DAGStateError

if TYPE_CHECKING:
    from queuack_worker.context import TaskContext

_PLACE = "queuack.output"


class Output:
    """What calling a task of a DAG returns: it stands for the result, as an argument of other tasks."""

    def __init__(self, owner: object, name: str) -> None:
        self.owner = owner
        self.name = name

    def __repr__(self) -> str:
        return f"<the result of node {self.name!r}>"

    def __reduce__(self) -> Any:
        raise DAGStateError(
            f"{self!r} is known when the DAG has run: pass it to another task of the DAG, by itself or in a "
            "list, tuple or dict"
        )


def places(value: Any, found: list[Output]) -> Any:
    """Return `value` with plain places instead of outputs, which are added to `found`."""

    def place(one: Any) -> Any:
        if not isinstance(one, Output):
            return one
        found.append(one)
        return {_PLACE: one.name}

    return _walk(value, place)


def filled(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], context: TaskContext | None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with the parents' results in their places.

    Raises:
        DAGStateError: there is no worker that could ask for them.
    """
    if context is None:
        raise DAGStateError(
            "this node takes results of other nodes as arguments, which a worker fills in: run one, or "
            "execute() the DAG"
        )

    def fill(one: Any) -> Any:
        if type(one) is dict and len(one) == 1 and type(one.get(_PLACE)) is str:
            return context.upstream(one[_PLACE])
        return one

    return tuple(_walk(list(args), fill)), dict(_walk(dict(kwargs), fill))


def _walk(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return `value` with `change` made to all in it, through lists, tuples and dicts."""
    changed = change(value)
    if changed is not value:
        return changed
    if type(value) is list:
        return [_walk(one, change) for one in value]
    if type(value) is tuple:
        return tuple(_walk(one, change) for one in value)
    if type(value) is dict:
        return {key: _walk(one, change) for key, one in value.items()}
    return value
