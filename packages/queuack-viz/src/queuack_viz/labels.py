"""What a label says and how long it may be: wrapping, cutting, durations, the mark of a status."""

from __future__ import annotations

import re
import unicodedata

WRAP_COLUMNS = 28  # about 210 px at 16 px: a box that reads from the back row
MARKS = {"done": "✓", "failed": "✗", "running": "▸", "skipped": "⊘", "cancelled": "⊘"}
# A word too long for a line breaks after one of these, or before a capital.
_SEAMS = re.compile(r"(?<=[_\-./:,;=@|\\])|(?<=[a-z0-9])(?=[A-Z])")


def width(text: str) -> int:
    """Columns the text takes in a fixed-width font: wide East Asian characters and emoji count two."""
    return len(text) if text.isascii() else sum(_columns(char) for char in text)


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """The text in at most `columns` columns; what is left out of its middle shows as `…`."""
    if width(text) <= columns:
        return text
    head, tail = (columns - 1) - (columns - 1) // 3, (columns - 1) // 3
    return _take(text, head) + "…" + _take(text[::-1], tail)[::-1]


def wrap(text: str, columns: int = WRAP_COLUMNS) -> str:
    """The text broken into lines of at most `columns` columns, at spaces, else at seams, else anywhere."""
    return "\n".join("\n".join(_wrap_line(line, columns)) for line in text.split("\n"))


def _wrap_line(line: str, columns: int) -> list[str]:
    if width(line) <= columns:
        return [line]
    lines = [""]
    for word in re.split(r"(?<=\s)", line):
        for piece in _pieces(word, columns):
            if lines[-1] and width(lines[-1]) + width(piece.rstrip()) > columns:
                lines.append("")
            lines[-1] += piece
    return [line.rstrip() for line in lines if line.strip()]


def _pieces(word: str, columns: int) -> list[str]:
    if width(word.rstrip()) <= columns:
        return [word]
    pieces = []
    for part in _SEAMS.split(word):
        while width(part) > columns:
            pieces.append(_take(part, columns))
            part = part[len(pieces[-1]) :]
        pieces.append(part)
    return pieces


def _take(text: str, columns: int) -> str:
    used = 0
    for index, char in enumerate(text):
        used += _columns(char)
        if used > columns:
            return text[:index]
    return text


def seconds_text(seconds: float) -> str:
    """A duration for people: `<1 ms`, `340 ms`, `1.2 s`, `2 min 5 s`, `1 h 20 min`, `3 d 4 h`."""
    if seconds < 0.001:
        return "0 s" if seconds <= 0 else "<1 ms"
    if round(seconds, 3) < 1:
        return f"{seconds * 1000:.0f} ms"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    for name, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size:,} {name}" + (f" {rest} {smaller}" if rest else "")
    raise AssertionError("a duration of a minute or more is at least a minute")


def count_text(number: int, thing: str) -> str:
    """`1 node`, `2,000 nodes`; `thing` takes its plural with an s unless it names both, as in `box|boxes`."""
    one, _, many = thing.partition("|")
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def status_text(status: str | None, seconds: float | None) -> str:
    """The second line of a box: `✓ 1.2 s`, `✗ failed · 0.4 s`, `⊘ skipped`; empty if there is none."""
    mark = MARKS.get(status or "", "")
    # A duration says of itself that it is done; every other end is named, so that colour is never alone.
    said = (
        [] if status in (None, "pending", "ready") or (status == "done" and seconds is not None) else [status]
    )
    if seconds is not None:
        said.append(seconds_text(seconds))
    text = " · ".join(part for part in said if part)
    return f"{mark} {text}".strip() if text else ""
