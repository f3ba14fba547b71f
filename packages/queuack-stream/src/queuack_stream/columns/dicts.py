"""Columns → rows: lists are zipped into dicts. Without Arrow, since CSV needs none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any


def build_rows(names: tuple[str, ...], columns: Iterable[Iterable[Any]]) -> list[dict[str, Any]]:
    """Dicts from columns."""
    return _builder(len(names))(names, zip(*columns, strict=True))


@lru_cache(maxsize=64)
def _builder(count: int) -> Callable[[tuple[str, ...], Iterable[Any]], list[dict[str, Any]]]:
    """A function that makes dicts of `count` keys.

    It is compiled, as `collections.namedtuple` is, since a dict display is three times as fast as
    `dict(zip(names, row))`. The text holds numbers only: the names are passed when it is called.
    """
    if count > 200:  # a display of that many keys gains little and compiles slowly
        return lambda names, rows: [dict(zip(names, row, strict=True)) for row in rows]
    keys = "".join(f"k{i}," for i in range(count))
    values = "".join(f"v{i}," for i in range(count))
    pairs = ",".join(f"k{i}:v{i}" for i in range(count))
    scope: dict[str, Any] = {}
    exec(f"def build(names, rows):\n    {keys} = names\n    return [{{{pairs}}} for {values} in rows]", scope)
    build: Callable[[tuple[str, ...], Iterable[Any]], list[dict[str, Any]]] = scope["build"]
    return build
