"""How a job's function is to be called: what its context parameter is named, and which of its errors
are worth another attempt.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from queuack_worker.slots import Slot

CONTEXT_NAMES = ("context", "ctx")
COROUTINE_ATTRIBUTE = "__queuack_coroutine__"
RULES_ATTRIBUTE = "__queuack_retry_rules__"
NO_LIMIT = sys.maxsize
MAX_CACHED = 10_000  # functions by reference are few; a program that makes them up must not leak

ErrorTypes = tuple[type[BaseException], ...]


class Plan(NamedTuple):
    """How to call one function.

    context: the parameter that takes the TaskContext, or None. position: its place among the
    positional parameters, or None where it is keyword-only. positional: it can't be passed by name.
    room: how many positional arguments it takes, itself included (NO_LIMIT with *args).
    """

    context: str | None
    position: int | None
    positional: bool
    room: int
    rules: tuple[ErrorTypes | None, ErrorTypes] | None  # retry_on (None: everything), no_retry_on
    target: Callable[..., Any] | None = None  # call this instead: the coroutine behind an async_task

    def final(self, error: BaseException) -> bool:
        """Return whether an attempt that raised `error` should be the last."""
        if self.rules is None:
            return False
        retry_on, no_retry_on = self.rules
        if isinstance(error, no_retry_on):
            return True
        return retry_on is not None and not isinstance(error, retry_on)


PLAIN = Plan(None, None, False, 0, None)
_plans: dict[Any, Plan] = {}


def plan_of(func: Callable[..., Any]) -> Plan:
    """Return the plan for `func`; remembered for functions that have an importable name."""
    try:
        plan = _plans.get(func)
    except TypeError:  # a callable that can't be hashed
        return _make(func)
    if plan is None:
        plan = _make(func)
        # A function that came by value is new each time; remembering it would keep its closure alive.
        if _importable(func):
            if len(_plans) >= MAX_CACHED:
                _plans.clear()
            _plans[func] = plan
    return plan


def _importable(func: Any) -> bool:
    name = getattr(func, "__qualname__", None)
    found: Any = sys.modules.get(getattr(func, "__module__", None) or "")
    if not isinstance(name, str) or found is None:
        return False
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is func


def _make(func: Any) -> Plan:
    rules = getattr(func, RULES_ATTRIBUTE, None)
    wrapper, body = getattr(func, COROUTINE_ATTRIBUTE, (None, None))
    if wrapper is func:  # not a decorator around it, which copied the attribute
        return _make(body)._replace(rules=rules, target=body)
    if type(func) is FunctionType and not hasattr(func, "__wrapped__"):
        code = func.__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if not any(name in CONTEXT_NAMES for name in names):
            return PLAIN if rules is None else Plan(None, None, False, 0, rules)
    return _inspect(func, rules)


def _inspect(func: Any, rules: Any) -> Plan:
    import inspect  # only for functions that are not plain

    try:
        parameters = list(inspect.signature(func).parameters.values())
    except (ValueError, TypeError):
        parameters = []
    for position, parameter in enumerate(parameters):
        if parameter.name not in CONTEXT_NAMES or parameter.kind in (_VAR_POSITIONAL, _VAR_KEYWORD):
            continue
        return Plan(
            parameter.name,
            None if parameter.kind == _KEYWORD_ONLY else position,
            parameter.kind == _POSITIONAL_ONLY,
            _room([int(p.kind) for p in parameters]),
            rules,
        )
    return Plan(None, None, False, 0, rules)


# inspect's kinds of parameters by number, so that plain functions need no inspect.
_POSITIONAL_ONLY, _BOTH, _VAR_POSITIONAL, _KEYWORD_ONLY, _VAR_KEYWORD = range(5)


def _room(kinds: list[int]) -> int:
    if _VAR_POSITIONAL in kinds:
        return NO_LIMIT
    return sum(kind in (_POSITIONAL_ONLY, _BOTH) for kind in kinds)


def with_context(
    plan: Plan, slot: Slot, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with the context put in its place, unless the sender filled that place."""
    name = plan.context
    if name is None or name in kwargs:
        return args, kwargs
    context, position = slot.context(), plan.position
    if position is not None and (plan.positional or position < len(args)):
        if len(args) >= plan.room:
            return args, kwargs
        return (*args[:position], context, *args[position:]), kwargs
    return args, {**kwargs, name: context}
