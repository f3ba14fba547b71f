"""Log lines without help from anybody: what children use, where structlog would cost memory.

JSON, one object a line, or short text on a terminal.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

from queuack_worker.bound import job_facts
from queuack_worker.whole import WholeLines

TIMESTAMP = "%Y-%m-%dT%H:%M:%S.%fZ"  # UTC, on every line of every process
_encode = msgspec.json.Encoder(enc_hook=str).encode


class LineFormatter(logging.Formatter):
    """Formats a record with the facts that come with every line of this process."""

    def __init__(self, facts: dict[str, Any], plain: bool) -> None:
        super().__init__()
        self._facts = facts
        self._plain = plain

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line (a traceback in plain text takes more)."""
        facts = {**self._facts, **getattr(record, "facts", {}), **job_facts()}
        event = getattr(record, "event", None) or record.getMessage()
        trace = self.formatException(record.exc_info) if record.exc_info else None
        stamp = datetime.fromtimestamp(record.created, UTC).strftime(TIMESTAMP)
        if self._plain:
            pairs = " ".join(f"{key}={value}" for key, value in facts.items())
            line = f"{stamp} [{record.levelname.lower():8}] {event} {pairs}"
            return line if trace is None else f"{line}\n{trace}"
        whole: dict[str, Any] = {
            "timestamp": stamp,
            "level": record.levelname.lower(),
            "event": event,
            "logger": record.name,
            **facts,
        }
        if trace is not None:
            whole["exception"] = trace
        return _encode(whole).decode()


def as_text(form: str) -> bool:
    """Return whether lines are text for people: "console", or "auto" where they go to a terminal."""
    return form == "console" or (form == "auto" and sys.stderr.isatty())


def light_logging(level: int, form: str, facts: dict[str, Any]) -> None:
    """Send the root logger's records to standard error, in a form of `logs.FORMATS`."""
    handler = WholeLines(sys.stderr)
    handler.setFormatter(LineFormatter(facts, as_text(form)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
