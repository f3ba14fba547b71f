"""The Mermaid script that ships inside the wheel, as compressed data."""

from __future__ import annotations

import zlib
from importlib.resources import files

_VENDOR = files("queuack_viz") / "vendor"


def packed_script() -> bytes:
    """Mermaid's built script as a zlib stream, which a browser's `DecompressionStream("deflate")` reads."""
    return (_VENDOR / "mermaid.min.js.zlib").read_bytes()


def mermaid_script() -> str:
    """Mermaid's built script as JavaScript source; it defines the global `mermaid`."""
    return zlib.decompress(packed_script()).decode()


def mermaid_version() -> str:
    """The version of the Mermaid that ships, as `11.17.2`."""
    return (_VENDOR / "VERSION.mermaid").read_text().strip()


def mermaid_licence() -> str:
    """The licence text of the Mermaid that ships."""
    return (_VENDOR / "LICENSE.mermaid").read_text()
