"""Fingerprints of code and of values: equal where a node would do the same, in any process.

Code counts as what its source compiles to: comments and layout are nothing, a changed constant is. With a
function come the helpers it names, as far as they are of its own top-level package, and theirs in turn.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from functools import partial
from hashlib import blake2b
from os import urandom
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from queuack_store.payload import encode_result

_PLAIN = (str, bytes, int, float, bool, complex, type(None), tuple, list, dict, set, frozenset)
MAX_PARTS = 500  # helpers of one function; what lies beyond is not looked at


def of_code(func: Callable[..., Any]) -> dict[str, str]:
    """Return the fingerprints of a function ("its code") and of all that it uses, by what they are called."""
    found: dict[str, str] = {"Python": ".".join(map(str, sys.version_info[:2]))}
    seen: set[int] = set()
    todo: list[tuple[str, Any]] = [("its code", func)]
    own = _package(_innermost(func))
    while todo and len(found) < MAX_PARTS:
        label, thing = todo.pop(0)
        if not isinstance(thing, _PLAIN):
            if id(thing) in seen:
                continue
            seen.add(id(thing))
        print_, more = _look(label, thing, own)
        if print_ is not None:
            found[label if label not in found else f"{label} ({len(found)})"] = print_
        todo += more
    return found


def of_value(value: Any) -> str:
    """Return the fingerprint of a value; equal values of plain types have equal ones.

    Other objects count by what is stored of them; one that can't be stored, or holds itself, has a new
    fingerprint each time.
    """
    try:
        return _hash(_pieces(value))
    except RecursionError:
        return urandom(16).hex()


def changes(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Return in words how two fingerprints of code differ, such as "helper 'clean' changed"."""
    found = [f"{_quoted(name)} changed" for name in new if name in old and old[name] != new[name]]
    found += [f"{_quoted(name)} is new" for name in new if name not in old]
    return found + [f"{_quoted(name)} is gone" for name in old if name not in new]


def _quoted(name: str) -> str:
    kind, space, rest = name.partition(" ")
    return f"{kind} {rest!r}" if space and kind in ("helper", "constant", "class") else name


def joined(parts: Iterable[str | bytes]) -> bytes:
    """Return one key of many fingerprints."""
    state = blake2b(digest_size=16)
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        state.update(len(raw).to_bytes(8, "big"))
        state.update(raw)
    return state.digest()


def _hash(pieces: Iterable[bytes]) -> str:
    return joined(pieces).hex()


def _look(label: str, thing: Any, own: str) -> tuple[str | None, list[tuple[str, Any]]]:
    """Return the fingerprint of one thing (None: it has none of its own), and what it uses."""
    if isinstance(thing, partial):
        inside = [(label, thing.func), (f"the arguments of partial {label}", (thing.args, thing.keywords))]
        return None, inside
    if isinstance(thing, MethodType):
        return None, [(label, thing.__func__), *_object(thing.__self__)]
    if isinstance(thing, FunctionType):
        return _function(label, thing, own)
    if isinstance(thing, type):
        return _class(label, thing, own)
    if isinstance(thing, _PLAIN):
        return of_value(thing), []
    wrapped = getattr(thing, "__wrapped__", None)
    if wrapped is not None:
        return None, [(label, wrapped)]
    if _package(type(thing)) == own:
        return of_value(_state(thing)), [(f"{label}: {type(thing).__name__}", type(thing))]
    return None, []


def _object(thing: Any) -> list[tuple[str, Any]]:
    """Return what a method uses of its object, or of its class where it is a class method."""
    if isinstance(thing, type):
        return [(f"class {thing.__name__}", thing)]
    return [("its object's state", (_state(thing),)), (f"class {type(thing).__name__}", type(thing))]


def _state(thing: Any) -> Any:
    """Return what an object holds; itself where it does not show that."""
    slots = [slot for cls in type(thing).__mro__ for slot in _listed(vars(cls).get("__slots__", ()))]
    held = {slot: getattr(thing, slot) for slot in slots if hasattr(thing, slot)}
    own = getattr(thing, "__dict__", None)
    return thing if own is None and not held else {**held, **(own or {})}


def _listed(slots: Any) -> list[str]:
    return [slots] if isinstance(slots, str) else list(slots)


def _function(label: str, func: FunctionType, own: str) -> tuple[str, list[tuple[str, Any]]]:
    used = list(_globals_of(func, own))
    for name, cell in zip(func.__code__.co_freevars, func.__closure__ or (), strict=False):
        try:
            used += _named(name, cell.cell_contents, own)
        except ValueError:
            continue  # not set yet
    wrapped = getattr(func, "__wrapped__", None)
    if wrapped is not None:
        used.append((f"{label} (decorated)", wrapped))
    defaults = (func.__defaults__, func.__kwdefaults__)
    return _hash([*_code(func.__code__), of_value(defaults).encode()]), used


def _class(label: str, cls: type, own: str) -> tuple[str, list[tuple[str, Any]]]:
    used: list[tuple[str, Any]] = [
        (f"class {base.__name__}", base) for base in cls.__bases__ if _package(base) == own
    ]
    plain: dict[str, Any] = {}
    for name, value in sorted(vars(cls).items()):
        inner = getattr(value, "__func__", getattr(value, "fget", value))
        if isinstance(inner, FunctionType):
            used.append((f"{label}.{name}", inner))
        elif isinstance(value, _PLAIN) and name not in ("__module__", "__doc__", "__firstlineno__"):
            plain[name] = value
    return of_value([cls.__qualname__, plain]), used


def _globals_of(func: FunctionType, own: str) -> Iterator[tuple[str, Any]]:
    names = list(dict.fromkeys(_names(func.__code__)))
    for name in names:
        if name not in func.__globals__:
            continue
        value = func.__globals__[name]
        if isinstance(value, ModuleType):
            if value.__name__.partition(".")[0] == own:
                yield from _of_module(value, names, own)
        else:
            yield from _named(name, value, own)


def _of_module(module: ModuleType, names: list[str], own: str) -> Iterator[tuple[str, Any]]:
    for name in names:
        value = vars(module).get(name)
        if isinstance(value, ModuleType):
            if value.__name__.startswith(f"{module.__name__}."):
                yield from _of_module(value, names, own)
        elif name in vars(module):
            yield from _named(name, value, own)


def _named(name: str, value: Any, own: str) -> list[tuple[str, Any]]:
    if isinstance(value, _PLAIN):
        return [(f"constant {name}", value)]
    if isinstance(value, (FunctionType, type, partial, MethodType)):
        return [(f"helper {name}", value)] if _package(_innermost(value)) == own else []
    if hasattr(value, "__wrapped__") or _package(type(value)) == own:
        return [(f"helper {name}", value)]
    return []


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _names(const)


def _code(code: CodeType) -> Iterator[bytes]:
    yield code.co_code
    shape = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    yield repr((shape, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)).encode()
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _code(const)
        else:
            yield from _pieces(const)


def _innermost(func: Any) -> Any:
    while isinstance(func, (partial, MethodType)) or hasattr(func, "__wrapped__"):
        if isinstance(func, partial):
            func = func.func
        else:
            func = func.__func__ if isinstance(func, MethodType) else func.__wrapped__
    return func


def _package(thing: Any) -> str:
    module = getattr(thing, "__module__", None) or getattr(type(thing), "__module__", "")
    return str(module).partition(".")[0]


def _pieces(value: Any) -> Iterator[bytes]:
    kind = type(value)
    if kind in (list, tuple):
        yield f"{kind.__name__} {len(value)}".encode()
        for one in value:
            yield from _pieces(one)
    elif kind is dict:
        yield f"dict {len(value)}".encode()
        yield from sorted(joined([*_pieces(key), b":", *_pieces(held)]) for key, held in value.items())
    elif kind in (set, frozenset):
        yield f"{kind.__name__} {len(value)}".encode()
        yield from sorted(joined(_pieces(one)) for one in value)
    elif kind is bytes:
        yield b"bytes"
        yield value
    elif kind is str:
        yield b"str"
        yield value.encode("utf-8", "surrogatepass")
    elif kind in (int, float, bool, complex, type(None), type(Ellipsis)):
        yield f"{kind.__name__} {value!r}".encode()
    elif is_dataclass(value) and not isinstance(value, type):
        yield f"{kind.__module__}.{kind.__qualname__}".encode()
        for field in fields(value):
            yield from _pieces(getattr(value, field.name, None))
    else:
        yield _stored(value)


def _stored(value: Any) -> bytes:
    try:
        return encode_result(value) or b""
    except Exception:  # it can't be stored
        return urandom(16)
