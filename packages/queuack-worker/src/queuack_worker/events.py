"""What happens in a worker, said once: logs, metrics and progress listen, nothing here knows them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger("queuack.worker")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    name: what, such as "child_died". facts: the rest as plain data. level: how a log should take it.
    """

    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    level: int = logging.INFO


Listener = Callable[[Event], None]


class Events:
    """Passes events on to its listeners, in the thread where they happen."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` with every event from now on."""
        self._listeners.append(listener)

    def emit(self, name: str, level: int = logging.INFO, **facts: Any) -> None:
        """Tell all listeners; one that raises is logged and hurts nobody else."""
        event = Event(name, facts, level)
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                log.exception("a listener failed on %s", name)


def to_log(event: Event) -> None:
    """Listen by logging: the event's name, and its facts as `extra["facts"]` for structured logs."""
    if log.isEnabledFor(event.level):
        facts = " ".join(f"{key}={value}" for key, value in event.facts.items())
        log.log(event.level, "%s %s", event.name, facts, extra={"event": event.name, "facts": event.facts})
