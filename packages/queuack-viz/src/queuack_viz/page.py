"""The single HTML page that draws without a network: Mermaid rides in it, deflated and as base64."""

from __future__ import annotations

import base64
import html
from importlib.resources import files
from string import Template

from queuack_viz.vendored import mermaid_licence, mermaid_version, packed_script

# Nothing may be fetched: whatever a diagram says, the page talks to nobody.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"


def html_page(text: str, *, title: str, background: str) -> str:
    """A page that draws `text` on `background` in any browser of 2023 or later, with nothing else at hand."""
    template = Template((files("queuack_viz") / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        policy=_POLICY,
        title=html.escape(title or "Diagram"),
        background=background,
        text=base64.b64encode(text.encode()).decode(),
        version=mermaid_version(),
        licence=mermaid_licence(),
        script=base64.b64encode(packed_script()).decode(),
        # The page's own Mermaid need not refuse what its maker asked for.
        max_text=max(50_000, 2 * len(text)),
        max_edges=max(500, text.count("\n")),
    )
