"""Logs of the worker's command: structlog over the standard library's records, coloured or JSON."""

from __future__ import annotations

import logging
import sys
from typing import Any

from queuack_worker.bound import bind_job
from queuack_worker.lines import TIMESTAMP, as_text
from queuack_worker.whole import WholeLines

FORMATS = ("auto", "console", "json")


def configure(level: int, form: str = "auto") -> None:
    """Send all records of this process to standard error through structlog.

    Args:
        level: the lowest level shown.
        form: "console" (coloured on a terminal), "json" (one object a line), or "auto": the first on a
            terminal, the second otherwise.
    """
    import structlog  # 10 MB that only this command needs

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt=TIMESTAMP, utc=True),
        _facts,
        bind_job,
    ]
    last: list[Any]
    if as_text(form):
        last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    else:
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    handler = WholeLines(sys.stderr, waits=False)  # the supervisor goes on when a child is stopped
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def _facts(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Give a record's facts keys of their own."""
    record: logging.LogRecord | None = event.get("_record")
    if record is not None and hasattr(record, "facts"):
        event["event"] = getattr(record, "event", event["event"])
        event.update(record.facts)
    return event
