"""What MkDocs does with these pages beyond its defaults: links out of the folder, and Mermaid without a network."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from mkdocs.structure.files import File
from mkdocs.utils import get_relative_url
from queuack_viz.vendored import mermaid_script

_LINK = re.compile(r"\[([^\]]+)\]\((\.\.?/[^)#\s]+)(#[^)]*)?\)")
_SCRIPT = "mermaid.min.js"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to the repository's other files become plain text: the site holds only this folder's pages."""

    def plain(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page.file.src_uri), match[2]))
        return f"{match[1]} (`{target.removeprefix('../')}`)" if target.startswith("../") else match[0]

    return _LINK.sub(plain, markdown)


def on_files(found: Any, config: Any) -> Any:
    """Mermaid comes from queuack-viz, which ships it."""
    found.append(File.generated(config, _SCRIPT, content=mermaid_script()))
    return found


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Only pages with a diagram load it; where it is loaded, the theme fetches none of its own."""
    if 'class="mermaid"' not in output:
        return output
    tag = f'<script src="{get_relative_url(_SCRIPT, page.url)}"></script>'
    return output.replace("</head>", f"{tag}</head>", 1)
