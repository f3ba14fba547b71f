"""A package's names, each loading its module on first use: importing the package stays light (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def exports(
    namespace: dict[str, Any], homes: Mapping[str, str], default: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and `__dir__` of a package, given its globals.

    homes: the module of each name in its `__all__`; names not listed live in the module `default`.
    """
    package, names = namespace["__name__"], namespace["__all__"]

    def load(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(homes.get(name, default)), name)
        namespace[name] = value
        return value

    return load, lambda: [*namespace, *names]
