"""How answers are printed: plain tables and lines for people, JSON for machines; quiet when a pipe breaks."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from shlex import join
from typing import TYPE_CHECKING, Any

from queuack.cli.exits import reader_gone

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

PIPE_COLUMNS = 4_000  # nothing is cut or wrapped for a reader that is no terminal
STYLES = {
    "pending": "cyan",
    "ready": "cyan",
    "delayed": "yellow",
    "waiting": "yellow",
    "claimed": "blue",
    "running": "blue",
    "done": "green",
    "failed": "red",
    "died": "red",
    "lost": "red",
    "skipped": "magenta",
    "cancelled": "magenta",
}


@cache
def console() -> Console:
    """Return the console for people, on standard output."""
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            reader_gone()

    width = None if sys.stdout.isatty() else PIPE_COLUMNS
    return Quiet(width=width, highlight=False, soft_wrap=width is not None)


def write(text: str) -> None:
    """Write text to standard output as it is."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        reader_gone()


def say(text: str, style: str | None = None) -> None:
    """Print one line for people; what looks like markup is shown as it is."""
    console().print(text, style=style, markup=False)


def print_json(value: Any) -> None:
    """Print one JSON document: indented, times in ISO 8601, what JSON has no word for as text."""
    import msgspec

    write(msgspec.json.format(json_bytes(value), indent=2).decode() + "\n")


def json_bytes(value: Any) -> bytes:
    """Return `value` as one line of JSON."""
    import msgspec

    try:
        return msgspec.json.Encoder(enc_hook=repr, decimal_format="number").encode(value)
    except (TypeError, ValueError, RecursionError):
        return msgspec.json.encode(repr(value))  # keys that are no text, a value within itself


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under their headings, as `grid` lays them out."""
    console().print(grid(columns, rows))


class Grid:
    """A table as wide as it is: in a terminal too narrow its right end is cut, so that ids stay whole."""

    def __init__(self, laid: Table) -> None:
        self._laid = laid

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render it for rich, a line at a time."""
        from rich.segment import Segment

        for line in console.render_lines(self._laid, options.update(width=PIPE_COLUMNS), pad=False):
            yield from Segment.adjust_line_length(line, options.max_width, pad=False)
            yield Segment.line()


def grid(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Grid:
    """Lay rows out under their headings; states are coloured, None is left empty."""
    from rich.table import Table
    from rich.text import Text

    laid = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        laid.add_column(name, no_wrap=True, overflow="ellipsis")
    numeric = [True] * len(columns)
    for row in rows:
        cells = []
        for place, value in enumerate(row):
            numeric[place] &= value is None or (isinstance(value, (int, float)) and value is not True)
            text = shown(value)
            cells.append(Text(text, STYLES.get(text, "")))
        laid.add_row(*cells)
    for column, right in zip(laid.columns, numeric, strict=True):
        column.justify = "right" if right else "left"
    return Grid(laid)


def facts(pairs: Iterable[tuple[str, Any]]) -> None:
    """Print names and values, one a line; those that are None are left out."""
    from rich.text import Text

    known = [(name, shown(value)) for name, value in pairs if value is not None]
    room = max((len(name) for name, _ in known), default=0) + 2
    for name, text in known:
        console().print(Text.assemble((f"{name:<{room}}", "bold"), (text, STYLES.get(text, ""))))


def shown(value: Any) -> str:
    """Return a value as people read it: local times, short durations, no None."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone() if value.tzinfo else value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def say_result(value: Any, whole: bool = False) -> None:
    """Print a job's result: a command's output as it was, text as it is, anything else by `repr`.

    `whole` shows the command and its exit code too, and both of its streams here.
    """
    if isinstance(value, dict) and value.keys() == {"command", "exit_code", "stdout", "stderr", "seconds"}:
        if whole:
            facts([("command", join(value["command"])), ("exit code", value["exit_code"])])
        write(value["stdout"])
        (write if whole else sys.stderr.write)(value["stderr"])
    elif value is not None:
        say(value if isinstance(value, str) else repr(value))


def counted(count: int, what: str) -> str:
    """Return "1 job", "2 jobs"."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def first_line(text: str | None) -> str | None:
    """Return the first line of a text that says something."""
    return next((line for line in (text or "").splitlines() if line.strip()), None)


def since(moment: datetime | None, now: datetime) -> str | None:
    """Return how long ago it was, in two units at most: "3 m 20 s"."""
    return None if moment is None else duration((now - moment).total_seconds())


def duration(seconds: float | None) -> str | None:
    """Return a duration in two units at most."""
    if seconds is None:
        return None
    if seconds < 0.9995:
        return f"{max(0.0, seconds) * 1_000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.2f} s"
    whole = int(seconds)
    for size, unit, small, less in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // small} {less}"
    return f"{whole} s"


def size(count: int | None) -> str | None:
    """Return bytes in the largest unit that leaves a number of 1 or more."""
    if count is None:
        return None
    number, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < 1024:
            break
        number, unit = number / 1024, larger
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
