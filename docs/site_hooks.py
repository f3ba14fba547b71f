"""What MkDocs does with these pages beyond its defaults.

Links out of the folder become text, `<!-- reference: package -->` becomes the docstrings of what the package
exports, and Mermaid comes from queuack-viz instead of the network.
"""

from __future__ import annotations

import posixpath
import re
from enum import Enum
from importlib import import_module
from typing import Any

from mkdocs.structure.files import File
from mkdocs.utils import get_relative_url
from queuack_viz.vendored import mermaid_script

PACKAGES = ["queuack_store", "queuack_worker", "queuack_dag", "queuack_stream", "queuack_viz"]
_LINK = re.compile(r"\[([^\]]+)\]\((\.\.?/[^)#\s]+)(#[^)]*)?\)")
_REFERENCE = re.compile(r"<!-- reference: (\w+) ?(.*) -->")
_SCRIPT = "mermaid.min.js"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Fill in references; links to the repository's other files become plain text."""

    def plain(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page.file.src_uri), match[2]))
        return f"{match[1]} (`{target.removeprefix('../')}`)" if target.startswith("../") else match[0]

    return _LINK.sub(plain, _REFERENCE.sub(lambda match: reference(match[1], match[2].split()), markdown))


def reference(what: str, first: list[str]) -> str:
    """What a package exports, `first` first and its errors left out; or, for "errors", all errors."""
    found: dict[str, str] = {}
    for package in PACKAGES if what == "errors" else [what]:
        module = import_module(package)
        for name in [*first, *module.__all__]:
            thing = getattr(module, name)
            is_error = isinstance(thing, type) and issubclass(thing, BaseException)
            if thing.__module__.startswith(f"{package}.") and is_error == (what == "errors"):
                found[name] = _described(f"{thing.__module__}.{name}", thing)
    return "\n\n".join(found.values())


def _described(name: str, thing: Any) -> str:
    if isinstance(thing, type) and issubclass(thing, Enum):
        values = ", ".join(f"`{member.value}`" for member in thing)
        return f"::: {name}\n    options:\n      members: false\n\nValues: {values}"
    return f"::: {name}"


def on_files(files: Any, config: Any) -> Any:
    """Add Mermaid, as queuack-viz ships it."""
    files.append(File.generated(config, _SCRIPT, content=mermaid_script()))
    return files


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Load Mermaid on pages with a diagram; where it is loaded, the theme fetches none of its own."""
    if 'class="mermaid"' not in output:
        return output
    tag = f'<script src="{get_relative_url(_SCRIPT, page.url)}"></script>'
    return output.replace("</head>", f"{tag}</head>", 1)
