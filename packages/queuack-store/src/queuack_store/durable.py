"""Waiting until what was written is on the disk."""

from __future__ import annotations

import os


def sync(path: str | os.PathLike[str]) -> None:
    """Make a file's content, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
