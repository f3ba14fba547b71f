"""The options that commands share, and how their texts are read."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from queuack.cli.exits import CommandError

Db = Annotated[
    Path,
    typer.Option(
        "--db",
        "-d",
        envvar="QUEUACK_DB",
        help="The queue's file.",
        rich_help_panel="The queue",
        show_default="duckqueue.db",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON, for machines.", rich_help_panel="The queue")
]
Queue = Annotated[str | None, typer.Option("--queue", "-q", help="Only this queue.")]
DEFAULT_DB = Path("duckqueue.db")


class Serialization(StrEnum):
    """How functions, arguments and results are stored."""

    PICKLE = "pickle"
    JSON_REF = "json_ref"


Stored = Annotated[
    Serialization,
    typer.Option(
        "--serialization",
        envvar="QUEUACK_SERIALIZATION",
        help="pickle, or json_ref: names and JSON only, nothing is ever unpickled.",
        rich_help_panel="The queue",
    ),
]

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_MAX_S = 100 * 366 * 86_400  # a hundred years: no date ends before the calendar does
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)", re.IGNORECASE)


def seconds_of(text: str) -> float:
    """Turn "90", "90s", "15m", "2h", "7d" or "1w" into seconds.

    Raises:
        CommandError: it is none of these, or more than a hundred years.
    """
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise CommandError(f"{text!r} is no length of time: write seconds, or 90s, 15m, 2h, 7d, 1w")
    seconds = float(match[1]) * _UNITS[match[2].lower() or "s"]
    if seconds > _MAX_S:
        raise CommandError(f"{text!r} is too long a time: give at most a hundred years")
    return seconds


def moment_of(text: str | None, what: str, present: datetime) -> datetime | None:
    """Turn a day or moment in ISO 8601 (UTC where it says no zone), or a length of time ago, into a moment.

    Raises:
        CommandError: it is none of these.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        if _AGE.fullmatch(text.strip()):
            return present - timedelta(seconds=seconds_of(text))
        raise CommandError(f"{what} {text!r} is no moment: write 2026-11-24, or so long ago: 7d") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def json_of(text: str, what: str, kind: type[Any]) -> Any:
    """Read JSON of one kind (list or dict) from an option.

    Raises:
        CommandError: it is no JSON, or of another kind; the message shows how it looks.
    """
    example = """'["cat.png", 800]'""" if kind is list else """'{"width": 800}'"""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise CommandError(f"{what} is no JSON ({error}): write it like {what} {example}") from None
    if not isinstance(value, kind):
        raise CommandError(
            f"{what} must be a JSON {'array' if kind is list else 'object'}, such as {example}"
        )
    return value
