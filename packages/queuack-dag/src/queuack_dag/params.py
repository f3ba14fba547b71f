"""The parameters of a run: which node takes which, checked against the functions' signatures."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from queuack_store.errors import InvalidRequestError

from queuack_dag.blueprint import Blueprint
from queuack_dag.errors import DAGValidationError
from queuack_dag.node import Node

_CONTEXTS = ("context", "ctx")
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_IN_ORDER = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
# Only plain annotations are checked; what is more than a class is for a type checker.
_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
    "bytes": (bytes,),
    "list": (list,),
    "dict": (dict,),
    "tuple": (tuple,),
}


def bound(blueprint: Blueprint, params: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Return which arguments the parameters come to, by the id() of each node; sub-DAGs' nodes too.

    A parameter goes to every function that has one of its name which the node does not fill itself.

    Raises:
        DAGValidationError: a parameter that no function takes or of another type than it says, or a
            function that lacks one; the message names the nodes. InvalidRequestError: `params` is no mapping
            of names.
    """
    if not (isinstance(params, Mapping) and all(isinstance(name, str) for name in params)):
        raise InvalidRequestError(f"params must map parameter names to values, not {params!r:.200}")
    taken: dict[int, dict[str, Any]] = {}
    used: set[str] = set()
    readers = False
    for part in blueprint.everything():
        for node in part.nodes.values():
            if node.func is None:
                continue
            found = _of_node(node, params)
            used |= found.keys()
            readers = readers or takes_context(node.func)
            if found:
                taken[id(node)] = found
    unknown = sorted(params.keys() - used)
    if unknown and not readers:
        raise DAGValidationError(
            f"no function of DAG {blueprint.name!r} has a parameter {unknown[0]!r} that its node leaves "
            "open, and none takes a context to read it from",
            nodes=[],
            params=unknown,
        )
    return taken


def takes_context(func: Any) -> bool:
    """Return whether a function has a parameter for its TaskContext."""
    return any(name in _CONTEXTS for name in _parameters(func))


def _of_node(node: Node, params: Mapping[str, Any]) -> dict[str, Any]:
    parameters = list(_parameters(node.func).values())
    given = len(node.args) + (node.mapping is not None)
    in_order = [p.name for p in parameters if p.kind in _IN_ORDER and p.name not in _CONTEXTS]
    filled = {*in_order[:given], *(node.kwargs or ())}
    found: dict[str, Any] = {}
    for parameter in parameters:
        name = parameter.name
        if name in filled or name in _CONTEXTS or parameter.kind in _VARIABLE:
            continue
        if name in params and parameter.kind in _BY_NAME:
            _check_type(node, parameter, params[name])
            found[name] = params[name]
        elif parameter.default is parameter.empty:
            raise DAGValidationError(
                f"node {node.name!r} lacks {name!r}: give it in args, kwargs or params",
                nodes=[node.name],
                params=[name],
            )
    return found


def _check_type(node: Node, parameter: inspect.Parameter, value: Any) -> None:
    said = parameter.annotation
    wanted = _TYPES.get(said if isinstance(said, str) else getattr(said, "__name__", ""))
    if wanted is None or (not isinstance(said, str) and not isinstance(said, type)):
        return
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise DAGValidationError(
            f"node {node.name!r} takes {parameter.name!r} as {wanted[-1].__name__}, "
            f"and params gives {value!r:.200}",
            nodes=[node.name],
            params=[parameter.name],
        )


def _parameters(func: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(func).parameters
    except (ValueError, TypeError):  # some callables of C do not say
        return {}
