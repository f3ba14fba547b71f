"""The private folder beside the database where large query results wait for their readers."""

from __future__ import annotations

from pathlib import Path

from queuack_store.clock import wall
from queuack_store.ids import new_id

_LEFT_AFTER_S = 86_400.0  # a reader loads its result lazily and deletes it; after a day it never will


def folder_of(database: Path) -> Path:
    """Return where the folder is, or would be."""
    return Path(f"{database}.files")


def new_file(database: Path) -> Path:
    """Return a fresh name in the folder, which is made where it is missing, for this user only."""
    folder = folder_of(database)
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{new_id().hex()}.parquet"


def remove_leftovers(database: Path) -> None:
    """Delete results that nobody came for, and the folder where it is empty."""
    folder = folder_of(database)
    if not folder.is_dir():
        return
    for file in folder.glob("*.parquet"):
        try:
            if wall() - file.stat().st_mtime > _LEFT_AFTER_S:
                file.unlink()
        except FileNotFoundError:
            pass  # its reader has just deleted it
    try:
        folder.rmdir()
    except OSError:
        pass  # not empty
