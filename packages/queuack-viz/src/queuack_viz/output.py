"""What a drawing function returns: the Mermaid text, and ways to write and to show it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from queuack_viz.errors import DiagramError
from queuack_viz.page import html_page


@dataclass(frozen=True, slots=True)
class Drawing:
    """A Mermaid text ready to be shown; `str()` of it is the text, and a notebook draws it.

    * `text`: the Mermaid text, its configuration included.
    * `title`, `background`: of the page that `html()` makes.
    * `hidden`: what was folded away, in words, as the drawing itself says it; empty if nothing was.
    """

    text: str
    title: str = ""
    background: str = "#ffffff"
    hidden: str = ""

    def __str__(self) -> str:
        return self.text

    def markdown(self) -> str:
        """The text as a fenced Markdown block, as GitHub, GitLab and many notebooks draw it."""
        return f"```mermaid\n{self.text}```\n"

    def html(self) -> str:
        """One self-contained page of about 1.3 MB that draws offline, in any browser of 2023 or later."""
        return html_page(self.text, title=self.title, background=self.background)

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Writes the drawing, in UTF-8, as the suffix says: `.mmd`, `.md`, or `.html`; returns the path.

        Raises:
            DiagramError: the suffix is another one.
            OSError: the file can't be written.
        """
        target = Path(path)
        match target.suffix.lower():
            case ".mmd" | ".mermaid":
                content = self.text
            case ".md":
                content = self.markdown()
            case ".html" | ".htm":
                content = self.html()
            case _:
                raise DiagramError(
                    f"the file {str(target)!r}", "has no known suffix", "use .mmd, .md or .html"
                )
        target.write_text(content, encoding="utf-8", newline="\n")
        return target

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """For notebooks: JupyterLab 4.1 and later draw `text/vnd.mermaid`, others the Markdown."""
        return {"text/vnd.mermaid": self.text, "text/markdown": self.markdown(), "text/plain": self.text}
