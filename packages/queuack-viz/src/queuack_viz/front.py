"""What stands above a Mermaid text: its title and its configuration, as YAML front matter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from queuack_viz.escape import visible
from queuack_viz.schemes import MermaidColorScheme, theme_variables

FONT = "Inter, Segoe UI, Helvetica Neue, Helvetica, Arial, sans-serif"
TITLE_COLUMNS = 200
# A title is neither escaped nor unescaped by Mermaid, but what looks like a tag is thrown away.
_LOOKALIKES = str.maketrans({"<": "‹", ">": "›", "&": "＆", "\n": " "})


def front_matter(
    title: str,
    scheme: MermaidColorScheme,
    extra: Mapping[str, Any],
    variables: Mapping[str, str] | None = None,
) -> str:
    """The front matter of a drawing; look and layout are named, so that Mermaid 11 and 12 draw the same."""
    config = {
        "theme": "base",
        "look": "classic",
        "layout": "dagre",
        "fontFamily": FONT,
        "themeVariables": {**theme_variables(scheme), **(variables or {})},
        **extra,
    }
    lines = ["---"]
    if title.strip():
        shown = visible(title.strip()).translate(_LOOKALIKES)[:TITLE_COLUMNS]
        # JSON's double-quoted strings are YAML's, too.
        lines.append(f"title: {json.dumps(shown, ensure_ascii=False)}")
    return "\n".join([*lines, f"config: {json.dumps(config, ensure_ascii=False)}", "---", ""])
