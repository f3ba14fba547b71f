"""Whole or not at all: a file is written beside its place and moved there when it is complete."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, *, durable: bool) -> Iterator[Path]:
    """Gives a path to write to; on a clean exit that file takes the place of `path`, else nothing is left.

    The path lies in a hidden folder beside `path`, so that the move is one rename on one file system; what
    else is in the folder is removed. A process that is killed leaves the folder, never a file that looks
    finished.
    """
    place = Path(os.path.realpath(path))
    if place.is_dir():  # said now, not after the last row
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(place))
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{place.name[:100]}.", suffix=".part", dir=place.parent))
    except OSError as error:  # it names the hidden folder, which nobody asked for
        raise OSError(error.errno, error.strerror, str(place.parent)) from None
    try:
        work = folder / place.name
        yield work
        if durable:
            _sync(work)
        os.replace(work, place)
        if durable:
            _sync(place.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def extending(path: Path, *, durable: bool) -> Iterator[Path]:
    """Gives `path` itself to append to; on failure it is cut back to its old length, or removed if new."""
    old = path.stat().st_size if path.exists() else None
    try:
        yield path
        if durable:
            _sync(path)
    except BaseException:
        if old is None:
            path.unlink(missing_ok=True)
        else:
            os.truncate(path, old)
        raise


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
