"""Colours as `#rrggbb`: checked, mixed, and their contrast as WCAG 2 defines it."""

from __future__ import annotations

import re

from queuack_viz.errors import DiagramError

_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")


def checked(name: str, colour: str) -> str:
    """The colour itself; refused unless it is written `#rgb` or `#rrggbb`."""
    if not isinstance(colour, str) or not _HEX.fullmatch(colour):
        raise DiagramError(
            f"the colour {name}={colour!r}", "can't be read", "write it as #rrggbb, as in #2ea043"
        )
    return colour


def channels(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255."""
    digits = colour[1:]
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def mix(colour: str, other: str, share: float) -> str:
    """`colour` with `share` (0 to 1) of `other` mixed in."""
    pairs = zip(channels(colour), channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def luminance(colour: str) -> float:
    """Relative luminance, 0 (black) to 1 (white); https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""

    def linear(channel: int) -> float:
        share = channel / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = map(linear, channels(colour))
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)


def contrast(one: str, other: str) -> float:
    """The contrast ratio, 1 to 21; https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def readable_on(fill: str) -> str:
    """Black or white, whichever reads better on `fill`; the better of the two is never below 4.5."""
    return max("#000000", "#ffffff", key=lambda text: contrast(text, fill))
