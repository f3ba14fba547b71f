"""Which Python values JSON carries without changing them; everything else is refused by its place.

`json_ref` promises that what goes in comes out equal and of the same type, so a tuple (which would
come back as a list), NaN, a key that is no string or a subclass of a plain type is an error.
"""

from __future__ import annotations

import json
import math
from typing import Any

MAX_DEPTH = 200  # well under the depth at which Python's own JSON reader gives up in a deep stack
MAX_INT_DIGITS = 4_000  # Python refuses to turn longer integers into text and back
_MAX_INT_BITS = int(MAX_INT_DIGITS * math.log2(10))

_HINTS: dict[type, str] = {
    tuple: "it would come back as a list; pass a list",
    set: "pass a sorted list",
    frozenset: "pass a sorted list",
    bytes: "pass text, for instance base64",
}


def why_not(value: Any) -> tuple[str, str] | None:
    """Return (place, reason) of the first part of `value` that JSON can't carry, or None."""
    # By hand, not by recursion: the values come from outside and may be nested as deep as they like.
    todo: list[tuple[Any, str, int]] = [(value, "", 0)]
    while todo:
        item, place, depth = todo.pop()
        kind = type(item)
        if kind is dict or kind is list:
            if depth >= MAX_DEPTH:
                return place, f"it is nested deeper than {MAX_DEPTH} levels"
            if kind is list:
                todo += [(part, f"{place}[{i}]", depth + 1) for i, part in enumerate(item)]
                continue
            for key, part in item.items():
                if type(key) is not str:
                    return place, f"the key {key!r} is a {type(key).__name__}; JSON keys are strings"
                if (reason := _atom(key)) is not None:
                    return place, f"the key {key!a}: {reason}"
                todo.append((part, f"{place}[{key!r}]", depth + 1))
        elif (reason := _atom(item)) is not None:
            return place, reason
    return None


def _atom(item: Any) -> str | None:
    kind = type(item)
    if kind is str:
        try:
            item.encode("utf-8")
        except UnicodeEncodeError:
            return "the text holds a lone surrogate, which is no valid Unicode"
        return None
    if item is None or kind is bool:
        return None
    if kind is int:
        return None if item.bit_length() < _MAX_INT_BITS else f"an integer of over {MAX_INT_DIGITS} digits"
    if kind is float:
        return None if math.isfinite(item) else f"{item!r} is no JSON number"
    hint = _HINTS.get(kind)
    return f"a {kind.__name__} is no JSON value" + (f": {hint}" if hint else "")


def dumps(value: Any) -> bytes:
    """Return the JSON of a value that `why_not` found nothing wrong with."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def loads(body: bytes) -> Any:
    """Return the value that `dumps` wrote. Raises ValueError where it is no JSON."""
    return json.loads(body)
