"""Gives structlog its configuration when a job's code imports it, so that its lines look like all others.

Importing structlog costs 10 MB, so a child does not do it by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


def configure_when_imported() -> None:
    """Configure structlog as soon as it is imported; what the job's code configures later replaces it."""
    found = sys.modules.get("structlog")
    if found is None:
        sys.meta_path.insert(0, _Finder())
    else:
        _configure(found)


class _Finder:
    """Finds structlog once, as Python would, and configures it when it has been executed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return structlog's spec, and nobody else's."""
        if name != "structlog":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        loader: Any = None if spec is None else spec.loader
        if loader is not None:
            execute = loader.exec_module

            def execute_and_configure(module: ModuleType) -> None:
                execute(module)
                _configure(module)

            loader.exec_module = execute_and_configure
        return spec


def _configure(structlog: Any) -> None:
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _to_record],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _to_record(_logger: Any, _method: str, event: dict[str, Any]) -> tuple[tuple[str], dict[str, Any]]:
    """Turn an event into what the standard library's logger takes; `lines.py` writes its facts."""
    known: dict[str, Any] = {
        key: event.pop(key) for key in ("exc_info", "stack_info", "stacklevel") if key in event
    }
    known["extra"] = {"facts": event}
    return (str(event.pop("event", "")),), known
