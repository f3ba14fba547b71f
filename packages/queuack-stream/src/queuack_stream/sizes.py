"""Sizes as people write them: "16MB" and 16_000_000 are the same."""

from __future__ import annotations

import re

from queuack_stream.errors import UnknownFormatError

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def parse_size(size: int | str) -> int:
    """The number of bytes that a size such as 16_000_000, "16MB" or "16MiB" means."""
    if isinstance(size, int) and not isinstance(size, bool) and size > 0:
        return size
    found = _SIZE.fullmatch(size) if isinstance(size, str) else None
    unit = _UNITS.get(found.group(2).upper()) if found else None
    count = int(float(found.group(1)) * unit) if found and unit else 0
    if count < 1:
        raise UnknownFormatError(f"{size!r} is not a size; give bytes, or text such as '16MB' or '512KiB'")
    return count
