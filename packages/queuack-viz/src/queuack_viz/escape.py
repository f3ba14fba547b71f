"""The one function that turns any text into something Mermaid shows as it is."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Everything else of ASCII has a meaning somewhere in Mermaid, in Markdown, in HTML or in KaTeX.
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _-.,/()[]+=?!'@^~")
# Cc control, Cf format (bidi overrides, zero-width), Cs lone surrogates, Zl and Zp separators: written
# out, or a text could hide in a text.
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
# Emoji and several scripts are spelled with the joiners.
_JOINERS = frozenset("\u200c\u200d")
# Mermaid looks for these once it has read the entities: a line break, a formula, an icon, and its own marks
# of where entities were. A joiner of no width, put where the (empty) match is, keeps it from finding them.
_READ_TWICE = re.compile(r"(?<=\\)(?=n)|(?<=\$)(?=\$)|(?<=:)(?=fa-)|(?<=ﬂ)(?=°)|(?<=¶)(?=ß)")
NO_WIDTH = "\u2060"


def escape(text: str) -> str:
    """Any text as it must stand in a quoted label or a Gantt's section; a newline becomes a line break."""
    return "<br/>".join(_escape_line(line) for line in visible(text).split("\n"))


def visible(text: str) -> str:
    """The text with newlines and tabs made plain, and what can't be seen written out, as in `\\u202e`."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").split("\n")
    return "\n".join("".join(map(_visible_one, line)) for line in lines)


@lru_cache(maxsize=4096)
def _visible_one(char: str) -> str:
    nonchar = (ord(char) & 0xFFFE) == 0xFFFE or 0xFDD0 <= ord(char) <= 0xFDEF
    if nonchar or (unicodedata.category(char) in _UNSEEN and char not in _JOINERS):
        return char.encode("unicode_escape", "surrogatepass").decode("ascii")
    return char


def _escape_line(line: str) -> str:
    """Some releases of Mermaid 11 refuse `1. load` and `- load` as lists, so their marks are escaped too."""
    listed = re.match(r"[-+]|\d+(?=[.)]\s)", line)
    mark = -1 if listed is None else listed.end() if line[0].isdigit() else 0
    split = {found.start() for found in _READ_TWICE.finditer(line)}
    parts = []
    for index, char in enumerate(line):
        parts.append(f"#{ord(NO_WIDTH)};" if index in split else "")
        parts.append(f"#{ord(char)};" if index == mark else _escape_one(char))
    return "".join(parts)


def _escape_one(char: str) -> str:
    if char in _PLAIN or char >= "\x80":
        return char
    return f"#{ord(char)};"
