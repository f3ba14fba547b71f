"""Calls and results as bytes: the only file that pickles.

The first byte says the form: 0x80 a plain pickle of (args, kwargs), whose task name leads to the function;
"W" the same behind a count of decorators to take off; "V" function and arguments by value; "J" JSON; "A" any
of these with something of queuack's own around it (around.py).
The engine stores these bytes and never looks into them.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any

from queuack_store import around, callables, plain
from queuack_store.errors import PayloadError, PayloadTooLargeError
from queuack_store.requests import MAX_PAYLOAD_BYTES

PICKLE = "pickle"
JSON_REF = "json_ref"
SERIALIZATIONS = (PICKLE, JSON_REF)

_PROTOCOL = 5
_BY_REFERENCE = 0x80  # every pickle of protocol 2 and later begins with it
_WRAPPED = ord("W")
_BY_VALUE = ord("V")
_JSON = ord("J")
_ANYWHERE = bytes(16)  # instead of a process's token: no process has this function live

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class CallEncoder:
    """Encodes the calls of one request; a function that goes by value is pickled once for all of them."""

    def __init__(self, serialization: str = PICKLE) -> None:
        self._json = serialization == JSON_REF
        self._func: Any = self  # no function yet
        self._task = ""
        self._head = b""

    def encode(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any] | None
    ) -> tuple[str, bytes]:
        """Return (task name, payload) of one call.

        Raises:
            PayloadError: an argument or the function can't be stored; the message says which and why.
            PayloadTooLargeError: over 16 MB.
        """
        if func is not self._func:
            self._take(func)
        return self._task, self.encode_args(args, kwargs)

    def template(self, func: Callable[..., Any]) -> tuple[str, bytes]:
        """Return (task name, head) of calls of `func`, from which `resume` makes an encoder elsewhere.

        Raises:
            PayloadError: the function can't be stored.
        """
        self._take(func)
        return self._task, self._head

    @classmethod
    def resume(cls, task: str, head: bytes, serialization: str = PICKLE) -> CallEncoder:
        """Return an encoder for calls of the function that `template` was asked for; see `encode_args`."""
        made = cls(serialization)
        made._task, made._head = task, head
        return made

    def encode_args(self, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> bytes:
        """Return the payload of one more call of the same function; see `encode`."""
        kwargs = kwargs or None
        if self._json:
            body = _encode_plain(self._task, args, kwargs)
        else:
            try:
                body = pickle.dumps((args, kwargs), _PROTOCOL)
            except Exception:
                body = _by_value(self._task, args, kwargs)
            else:
                if b"__main__" in body:  # a reference to this script means another one elsewhere
                    body = _by_value(self._task, args, kwargs)
        if self._head:
            body = self._head + body
        if len(body) > MAX_PAYLOAD_BYTES:
            raise PayloadTooLargeError(
                f"the arguments of {self._task} take {len(body):,} bytes; at most {MAX_PAYLOAD_BYTES:,} "
                "are stored with a job. Write the data to a file and pass its path",
                task=self._task,
                size=len(body),
                limit=MAX_PAYLOAD_BYTES,
            )
        return body

    def _take(self, func: Callable[..., Any]) -> None:
        if not callable(func):
            raise PayloadError(f"{func!r} is not callable: enqueue a function", type=type(func).__name__)
        if self._json:
            self._task, self._head = _name(func), b"J"
        elif (found := callables.reference(func)) is not None:
            self._task, depth = found
            self._head = bytes((_WRAPPED, depth)) if depth else b""
        else:
            self._task = callables.label(func)
            self._head = _value_head(self._task, func)
        self._func = func


def encode_call(
    func: Callable[..., Any],
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    serialization: str = PICKLE,
) -> tuple[str, bytes]:
    """Return (task name, payload) of one call; see `CallEncoder.encode`."""
    return CallEncoder(serialization).encode(func, args, kwargs)


def decode_call(
    task: str,
    payload: bytes,
    serialization: str = PICKLE,
    allowed_modules: tuple[str, ...] | None = None,
) -> Call:
    """Return (function, args, kwargs), ready to be called.

    Under `json_ref` nothing is unpickled: a payload of another form is refused as it is.

    Raises:
        PayloadError: the function can't be found or is not allowed, or the bytes can't be read.
    """
    form = payload[0] if payload else -1
    if form == around.AROUND:
        outer, facts, inner = around.unwrap(payload)
        func, args, kwargs = decode_call(task, inner, serialization, allowed_modules)
        return around.Around(around.outer_of(outer, task), facts, func), args, kwargs
    if form == _JSON:
        return _decode_plain(task, payload, allowed_modules)
    _refuse_pickle(task, serialization)
    if form == _BY_REFERENCE:
        func, body = callables.resolve(task), payload
    elif form == _WRAPPED:
        func, body = callables.unwrap(callables.resolve(task), payload[1]), payload[2:]
    elif form == _BY_VALUE:
        func, body = _decode_value(task, payload)
    else:
        raise PayloadError(f"the payload of {task} has no known form (first byte {form})", task=task)
    args, kwargs = _loads(body, f"the arguments of {task}", task)
    return func, args, kwargs or {}


def encode_result(value: Any, serialization: str = PICKLE, task: str = "the job") -> bytes | None:
    """Return the bytes of a job's result; None for None.

    Raises:
        PayloadError, PayloadTooLargeError: it can't be stored; the message says to return a path.
    """
    if value is None:
        return None
    if serialization == JSON_REF:
        if (wrong := plain.why_not(value)) is not None:
            place = f" at {wrong[0]}" if wrong[0] else ""
            raise PayloadError(f"the result of {task}{place} can't be carried by JSON: {wrong[1]}", task=task)
        body = b"J" + plain.dumps(value)
    else:
        try:
            body = pickle.dumps(value, _PROTOCOL)
            if b"__main__" in body:
                body = _cloud(value)
        except Exception:
            try:
                body = _cloud(value)
            except Exception as error:
                raise PayloadError(
                    f"the result of {task} (a {type(value).__name__}) can't be pickled: {_because(error)}. "
                    "Store it in a file and return a path",
                    task=task,
                ) from error
    if len(body) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLargeError(
            f"the result of {task} takes {len(body):,} bytes; at most {MAX_PAYLOAD_BYTES:,} are stored. "
            "Write it to a file and return a path",
            task=task,
            size=len(body),
            limit=MAX_PAYLOAD_BYTES,
        )
    return body


def decode_result(body: bytes | None, serialization: str = PICKLE, task: str = "the job") -> Any:
    """Return the value that `encode_result` stored; under `json_ref` a pickled one is refused.

    Raises:
        PayloadError: the bytes can't be read here.
    """
    if body is None:
        return None
    if body[:1] == b"J":
        return plain.loads(body[1:])
    _refuse_pickle(task, serialization)
    return _loads(body, f"the result of {task}", task)


def _name(func: Callable[..., Any]) -> str:
    module, name = callables.module_name(func), getattr(func, "__qualname__", "")
    if module is not None and name and "<" not in name:
        task = f"{module}:{name}"
        try:
            if callables.wrappers_between(callables.resolve_named(task, None), func) == 0:
                return task
        except PayloadError:
            pass  # a name that leads nowhere is no name
    raise PayloadError(
        f"json_ref stores a function by its name, and {callables.label(func)} has none that other "
        "processes can import: move it to the top level of a module (the decorated function itself, "
        "where it is decorated)",
        task=callables.label(func),
    )


def _value_head(task: str, func: Callable[..., Any]) -> bytes:
    try:
        body = _cloud(func)
    except Exception as error:
        raise PayloadError(
            f"the function {task} can't be sent by value: {_because(error)}. It refers to something that "
            "can't be pickled: move the function to a module, so that it travels by its name, or open that "
            "inside the function",
            task=task,
        ) from error
    token = callables.process_token() if callables.live(task) is func else _ANYWHERE
    return b"V" + token + len(body).to_bytes(4, "big") + body


def _decode_value(task: str, payload: bytes) -> tuple[Callable[..., Any], bytes]:
    end = 21 + int.from_bytes(payload[17:21], "big")
    func: Any = None
    if payload[1:17] == callables.process_token():
        func = callables.live(task)
    if func is None:
        func = _loads(payload[21:end], f"the function {task}", task)
    return func, payload[end:]


def _by_value(task: str, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> bytes:
    try:
        return _cloud((args, kwargs))
    except Exception as error:
        raise _blame(task, args, kwargs or {}, error) from error


def _blame(task: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], error: Exception) -> PayloadError:
    for key, value in [*enumerate(args), *kwargs.items()]:
        try:
            _cloud(value)
        except Exception as cause:
            return PayloadError(
                f"argument {key!r} of {task} (a {type(value).__name__}) can't be pickled: "
                f"{_because(cause)}. Pass something that can, such as a path, and open it in the function",
                task=task,
                argument=key,
                type=type(value).__name__,
            )
    return PayloadError(f"the arguments of {task} can't be pickled: {_because(error)}", task=task)


def _cloud(value: Any) -> bytes:
    import cloudpickle  # 10 ms that most programs never need

    body: bytes = cloudpickle.dumps(value, _PROTOCOL)
    return body


def _loads(body: bytes, what: str, task: str) -> Any:
    try:
        return pickle.loads(body)
    except Exception as error:  # unpickling runs the classes' own code
        raise PayloadError(f"{what} can't be unpickled here: {_because(error)}", task=task) from error


def _refuse_pickle(task: str, serialization: str) -> None:
    if serialization == JSON_REF:
        raise PayloadError(
            f"{task} was stored as a pickle, and this queue was opened with serialization='json_ref', which "
            "never unpickles. Enqueue it under json_ref, or open the queue with serialization='pickle'",
            task=task,
        )


def _encode_plain(task: str, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> bytes:
    kwargs = dict(kwargs or {})
    for key, value in [*enumerate(args), *kwargs.items()]:
        if (wrong := plain.why_not(value)) is not None:
            place = f" at {wrong[0]}" if wrong[0] else ""
            raise PayloadError(
                f"argument {key!r} of {task}{place} can't be carried by JSON: {wrong[1]}",
                task=task,
                argument=key,
                type=type(value).__name__,
            )
    return plain.dumps([list(args), kwargs])


def _decode_plain(task: str, payload: bytes, allowed: tuple[str, ...] | None) -> Call:
    func = callables.resolve_named(task, allowed)
    try:
        args, kwargs = plain.loads(payload[1:])
        return func, tuple(args), dict(kwargs)
    except (ValueError, TypeError, RecursionError) as error:
        raise PayloadError(
            f"the arguments of {task} are no JSON call: {_because(error)}", task=task
        ) from error


def _because(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "(its message can't be shown)"
    return f"{type(error).__name__}: {text}"[:1_000]
