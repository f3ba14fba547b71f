"""Colour schemes: what each status looks like, and the page around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from queuack_viz import palettes
from queuack_viz.colours import checked, mix, readable_on
from queuack_viz.errors import DiagramError
from queuack_viz.graph import known_status

_PAGE = ("background", "text", "line", "waited", "critical")


class Paint(NamedTuple):
    """How a box is painted: colours as `#rrggbb`, and whether its border is dashed."""

    fill: str
    text: str
    border: str
    dashed: bool = False


@dataclass(kw_only=True)
class MermaidColorScheme:
    """The colours of a diagram; each may be given to the constructor, or set later.

    * `pending`, `ready`, `running`, `done`, `failed`, `skipped`, `cancelled`: the boxes of each status;
      `neutral`: boxes without one; `group`: the frames. Either a fill, as in `"#2ea043"`, to which a text
      and a border that read well are found; or `"fill text border"`, as in `"#2ea043 #ffffff #1a7f37"`;
      the word `dashed` at the end dashes the border.
    * `background`, `text`, `line`: one colour each, for the page, for what is written on it, and for arrows.
    * `waited`, `critical`: one colour each, for the Gantt's waiting bars and the border of its critical path.

    What isn't given is as in `default()`.

    Raises:
        DiagramError: a colour isn't written as `#rgb` or `#rrggbb`.
    """

    pending: str = palettes.DEFAULT["pending"]
    ready: str = palettes.DEFAULT["ready"]
    running: str = palettes.DEFAULT["running"]
    done: str = palettes.DEFAULT["done"]
    failed: str = palettes.DEFAULT["failed"]
    skipped: str = palettes.DEFAULT["skipped"]
    cancelled: str = palettes.DEFAULT["cancelled"]
    neutral: str = palettes.DEFAULT["neutral"]
    group: str = palettes.DEFAULT["group"]
    background: str = palettes.DEFAULT["background"]
    text: str = palettes.DEFAULT["text"]
    line: str = palettes.DEFAULT["line"]
    waited: str = palettes.DEFAULT["waited"]
    critical: str = palettes.DEFAULT["critical"]

    def __setattr__(self, name: str, value: str) -> None:
        if name in _PAGE:
            checked(name, value)
        elif name in palettes.DEFAULT:
            _paint(name, value)
        else:
            raise DiagramError(f"the colour {name!r}", "is unknown", f"one of {', '.join(palettes.DEFAULT)}")
        object.__setattr__(self, name, value)

    def paint(self, status: str | None) -> Paint:
        """How boxes of a status are painted; None stands for boxes without one.

        Raises:
            DiagramError: the status is unknown.
        """
        name = known_status("the scheme", status) or "neutral"
        return _paint(name, getattr(self, name))

    def frame(self) -> Paint:
        """How groups are painted."""
        return _paint("group", self.group)

    @classmethod
    def default(cls) -> MermaidColorScheme:
        """Light tints with clear borders; its grey lines and titles read on white pages and on dark ones."""
        return cls(**palettes.DEFAULT)

    @classmethod
    def blue_professional(cls) -> MermaidColorScheme:
        """Shades of one blue, with red only for what failed."""
        return cls(**palettes.BLUE_PROFESSIONAL)

    @classmethod
    def dark_mode(cls) -> MermaidColorScheme:
        """Deep tints with bright borders, for near-black pages."""
        return cls(**palettes.DARK_MODE)

    @classmethod
    def pastel(cls) -> MermaidColorScheme:
        """Soft tints with soft borders, on warm white."""
        return cls(**palettes.PASTEL)

    @classmethod
    def high_contrast(cls) -> MermaidColorScheme:
        """Black on white and strong fills: every text and line meets WCAG 2 AA."""
        return cls(**palettes.HIGH_CONTRAST)

    @classmethod
    def grayscale(cls) -> MermaidColorScheme:
        """Greys only, for print; dark is done, black is failed."""
        return cls(**palettes.GRAYSCALE)


def _paint(name: str, value: str) -> Paint:
    parts = value.split() if isinstance(value, str) else [value]
    dashed = len(parts) > 1 and parts[-1] == "dashed"
    colours = [checked(name, part) for part in (parts[:-1] if dashed else parts)]
    match colours:
        case [fill]:
            text = readable_on(fill)
            return Paint(fill, text, mix(fill, text, 0.4), dashed)
        case [fill, text, border]:
            return Paint(fill, text, border, dashed)
    hint = 'write "fill" or "fill text border", as in "#2ea043 #ffffff #1a7f37"'
    raise DiagramError(f"the colour {name}={value!r}", f"has {len(colours)} colours", hint)


def theme_variables(scheme: MermaidColorScheme) -> Mapping[str, str]:
    """Mermaid's own variables for what no class of ours paints: lines, titles, labels of arrows."""
    frame = scheme.frame()
    return {
        "background": scheme.background,
        "primaryColor": scheme.paint(None).fill,
        "primaryTextColor": scheme.paint(None).text,
        "primaryBorderColor": scheme.paint(None).border,
        "lineColor": scheme.line,
        "textColor": scheme.text,
        "titleColor": scheme.text,
        "edgeLabelBackground": scheme.background,
        "clusterBkg": frame.fill,
        "clusterBorder": frame.border,
    }
