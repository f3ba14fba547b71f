"""Functions and their names: "module:qualname" for a callable, and the callable for a name.

A name counts only where it leads back to the very same object; everything else travels by value.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from types import FunctionType, MethodType, ModuleType
from typing import Any

from queuack_store.errors import PayloadError
from queuack_store.helpers import own_tasks

MAX_CACHED = 10_000  # names kept per process; a bound for programs that make functions without end
MAX_WRAPPERS = 16  # decorators around one function that are looked through
SCRIPT_MODULES = frozenset({"__main__", "__mp_main__"})  # their names mean something else elsewhere

# function -> (task, its module's namespace, its name there); only plain module-level functions
_names: dict[FunctionType, tuple[str, dict[str, Any], str]] = {}
_token: tuple[int, bytes] = (0, b"")


def process_token() -> bytes:
    """Return 16 random bytes that stand for this process; a forked child has its own."""
    global _token  # one per process, made on first use
    if _token[0] != os.getpid():
        _token = (os.getpid(), os.urandom(16))
    return _token[1]


def label(func: Any) -> str:
    """Return "module:qualname" for people and statistics, whether or not it leads anywhere."""
    module = getattr(func, "__module__", None)
    name = getattr(func, "__qualname__", None)
    if isinstance(module, str) and isinstance(name, str):
        return f"{module}:{name}"
    inner = getattr(func, "func", None)  # functools.partial
    if callable(inner):
        return f"{label(inner)} ({type(func).__name__})"
    return f"{type(func).__module__}:{type(func).__qualname__}"


def reference(func: Any) -> tuple[str, int] | None:
    """Return the task name that leads to `func` in any process, or None where only its value will do.

    The number says how many decorators (`__wrapped__`) must be taken off what the name leads to.
    """
    if func.__class__ is FunctionType:
        known = _names.get(func)
        if known is not None and known[1].get(known[2]) is func:
            return known[0], 0
    module, name = getattr(func, "__module__", None), getattr(func, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    if module in SCRIPT_MODULES or "<" in name:
        return None
    task = f"{module}:{name}"
    try:
        found = resolve(task)
    except PayloadError:
        return None
    depth = wrappers_between(found, func)
    if depth is None:
        return None
    if depth == 0 and func.__class__ is FunctionType and "." not in name:
        if len(_names) >= MAX_CACHED:
            _names.clear()
        _names[func] = (task, vars(sys.modules[module]), name)
    return task, depth


def wrappers_between(found: Any, func: Any) -> int | None:
    """Return how many decorators must be taken off `found` to reach `func`; None where it is not inside."""
    for depth in range(MAX_WRAPPERS):
        if found is func:
            return depth
        # A class method is a new object each time it is looked up.
        if isinstance(func, MethodType) and isinstance(found, MethodType) and found == func:
            return depth
        found = getattr(found, "__wrapped__", None)
        if found is None:
            return None
    return None


def unwrap(func: Any, depth: int) -> Callable[..., Any]:
    """Take `depth` decorators off."""
    for _ in range(depth):
        func = func.__wrapped__
    return func  # type: ignore[no-any-return]


def resolve(task: str) -> Callable[..., Any]:
    """Return what "module:qualname" leads to, importing the module where needed.

    Raises:
        PayloadError: it can't be found; the message names module, name and sys.path.
    """
    module, _, name = task.partition(":")
    loaded = sys.modules.get(module)
    if loaded is not None:
        found = _walk(loaded, name)
        if found is not None:
            return found  # type: ignore[no-any-return]
    # Not loaded yet, or another thread is in the middle of it: importing waits for that one.
    try:
        found = _walk(import_module(module), name)
    except (Exception, SystemExit) as error:  # a module may do anything while it is imported
        raise PayloadError(
            f"the function {task} can't be found: importing module {module!r} failed with "
            f"{type(error).__name__}: {error}; sys.path is {sys.path}. Make the module importable "
            "where jobs run",
            task=task,
        ) from error
    if found is None:
        raise PayloadError(
            f"the function {task} can't be found: module {module!r} "
            f"({getattr(sys.modules.get(module), '__file__', 'built in')}) has no {name!r}; "
            f"sys.path is {sys.path}",
            task=task,
        )
    return found  # type: ignore[no-any-return]


def _walk(found: Any, name: str) -> Any:
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def live(task: str) -> Callable[..., Any] | None:
    """Return the function of this process's own script that `task` names, or None."""
    module, _, name = task.partition(":")
    if module not in SCRIPT_MODULES or "<" in name:
        return None
    found = _walk(sys.modules.get(module), name)
    return found if callable(found) else None


def module_name(func: Any) -> str | None:
    """Return the name under which other processes can import the module of `func`, or None.

    A script run by `python -m package.module` has one, a script run by its path has none.
    """
    module = getattr(func, "__module__", None)
    if module in SCRIPT_MODULES:
        module = script_name()
    return module if isinstance(module, str) else None


def script_name() -> str | None:
    """Return the importable name that `python -m` gave this process's script, or None."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return getattr(spec, "name", None)


def resolve_named(task: str, allowed: tuple[str, ...] | None) -> Callable[..., Any]:
    """Return the function of a `json_ref` job: one defined at module or class level where it says.

    What a stored name can reach is narrow on purpose: a module in `allowed` (or below one; None: any),
    no dunder, no walk through another module, and nothing that the module only imported. Tasks that
    queuack's own packages bring along (such as the one behind a sub-DAG) are always allowed, by their
    exact names.

    Raises:
        PayloadError: the name is not allowed or leads nowhere.
    """
    module, _, name = task.partition(":")
    if (
        allowed is not None
        and not any(module == m or module.startswith(m + ".") for m in allowed)
        and task not in own_tasks()
    ):
        raise PayloadError(
            f"the function {task} is not allowed here: allowed_modules is {list(allowed)}",
            task=task,
            allowed_modules=list(allowed),
        )
    parts = name.split(".")
    refused = any(part.startswith("__") or not part.isidentifier() for part in parts)
    if not refused:
        found: Any = live(f"__main__:{name}") if module == script_name() else None
        found = resolve(task) if found is None else found
        outer = _walk(sys.modules.get(module), ".".join(parts[:-1])) if len(parts) > 1 else None
        home = getattr(found, "__module__", None)
        refused = isinstance(outer, ModuleType) or not callable(found)
        refused = refused or home not in (module, *(SCRIPT_MODULES if module == script_name() else ()))
    if refused:
        raise PayloadError(
            f"{task} does not name a function that module {module!r} defines; json_ref runs nothing else",
            task=task,
        )
    return found  # type: ignore[no-any-return]
