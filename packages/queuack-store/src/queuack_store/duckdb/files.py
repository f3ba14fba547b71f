"""The private folder beside the database: large query results wait there for their readers, and DuckDB
puts there what does not fit into its memory (its own folder for that would be open to everyone).
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from queuack_store.clock import wall
from queuack_store.ids import new_id

_OURS = re.compile(r"[0-9a-f]{32}(\.parquet|\.db(\.wal)?)?")  # results of queries, backups, exports
_LEFT_AFTER_S = 86_400.0  # a reader loads its result lazily and deletes it; after a day it never will


def folder_of(database: Path) -> Path:
    """Return where the folder is, or would be."""
    return Path(f"{database}.files")


def memory_folder() -> Path:
    """Return a fresh name for the folder of a database in memory, where its copies are made."""
    return Path(tempfile.gettempdir()) / f"queuack-{new_id().hex()}.files"


def spill_folder(database: Path) -> Path:
    """Return where DuckDB puts what does not fit into its memory."""
    return folder_of(database) / "spilled"


def make_folder(database: Path) -> None:
    """Make the folder, for this user only, and clear it of what a killed owner left."""
    remove_leftovers(database)
    folder_of(database).mkdir(mode=0o700, exist_ok=True)


def new_file(database: Path) -> Path:
    """Return a fresh name in the folder."""
    return folder_of(database) / f"{new_id().hex()}.parquet"


def remove_leftovers(database: Path) -> None:
    """Delete results that nobody came for, what was spilled, and the folder where it is empty then.

    Call it while DuckDB has the database not open, or has just opened it.
    """
    folder = folder_of(database)
    if not folder.is_dir():
        return
    shutil.rmtree(spill_folder(database), ignore_errors=True)
    for left in folder.iterdir():
        try:
            if wall() - left.stat().st_mtime <= _LEFT_AFTER_S or not _OURS.fullmatch(left.name):
                continue
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink()
        except FileNotFoundError:
            pass  # its reader has just taken it
    try:
        folder.rmdir()
    except OSError:
        pass  # not empty
