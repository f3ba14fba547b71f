"""What DuckDB's exceptions mean, and the store's errors for them."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import duckdb

from queuack_store.errors import (
    DamagedFileError,
    FileInUseError,
    NewerSchemaError,
    NotADatabaseError,
    ReadOnlyStoreError,
    RecordRefusedError,
    StorageError,
    StorageFullError,
)

_FULL = re.compile(
    r"no space left|disk quota exceeded|file too large|could not write all bytes", re.IGNORECASE
)
_HOLDER = re.compile(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")


def is_fatal(error: BaseException) -> bool:
    """Return whether the whole instance is invalidated: every cursor must be closed and the file reopened."""
    return isinstance(error, duckdb.FatalException | duckdb.InternalException) or "invalidated" in str(error)


def is_full(error: BaseException) -> bool:
    """Return whether the disk had no room."""
    return (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)) or bool(
        _FULL.search(str(error))
    )


def unreadable(error: BaseException, path: object) -> StorageError:
    """Return the store's error for a file that opens, but of which a part can't be read."""
    why = str(error).partition("\n")[0]
    if isinstance(error, duckdb.OutOfMemoryException | MemoryError):
        return StorageError(
            f"{path} could not be read for want of memory: {why}. The file is not to blame: free some, or "
            "raise this process's limit (ulimit -v)",
            path=str(path),
        )
    return DamagedFileError(
        f"{path} opens, but not all of it can be read: {why}. Nothing was changed: restore a backup",
        path=str(path),
    )


def explain(error: BaseException, path: Path | None, cycle: int) -> StorageError:
    """Return the store's error for one that DuckDB raised while it applied `cycle`."""
    where = "the database in memory" if path is None else str(path)
    if is_full(error):
        return StorageFullError(
            f"the disk of {where} is full: cycle {cycle} waits until there is room", path=where, cycle=cycle
        )
    if isinstance(error, duckdb.OutOfMemoryException | MemoryError):
        return StorageFullError(
            f"DuckDB ran into its memory limit at cycle {cycle} of {where}: it is tried again",
            path=where, cycle=cycle,
        )  # fmt: skip
    why = str(error).partition("\n")[0]
    return RecordRefusedError(
        f"DuckDB refuses cycle {cycle} of {where}: {type(error).__name__}: {why}. Nothing is lost, the "
        "journal keeps it: run `queuack doctor`",
        path=where, cycle=cycle,
    )  # fmt: skip


def explain_opening(error: BaseException, path: Path) -> StorageError | None:
    """Return the store's error for one that DuckDB raised while it opened the file; None for damage."""
    text = str(error)
    if "Could not set lock" in text or "Conflicting lock" in text:
        holder = _HOLDER.search(text)
        by = f"{holder['program']} (PID {holder['pid']})" if holder else "another program"
        return FileInUseError(
            f"{path} is open in {by}: close it there, then try again",
            path=str(path), pid=int(holder["pid"]) if holder else None,
        )  # fmt: skip
    if (
        "not a valid DuckDB database file" in text
        or "Is a directory" in text
        or "in block at location 0" in text
    ):
        return NotADatabaseError(
            f"{path} is not a DuckDB database: give the queue a path of its own; nothing was changed",
            path=str(path),
        )
    if "newer version of DuckDB" in text:
        return NewerSchemaError(
            f"{path} was written by a newer DuckDB than {duckdb.__version__}: upgrade duckdb", path=str(path)
        )
    if "WAL does not match" in text or "checkpoint iteration does not match" in text:
        return DamagedFileError(
            f"{path}.wal belongs to another database or another state of this one: put back the log that "
            "belongs to it, or move it away; nothing was changed",
            path=str(path), log=f"{path}.wal",
        )  # fmt: skip
    if "No such file or directory" in text:
        return StorageError(f"the folder of {path} does not exist: make it first", path=str(path))
    if "Permission denied" in text or "Read-only file system" in text:
        return ReadOnlyStoreError(
            f"{path} or its folder can't be written: give this user write access to both", path=str(path)
        )
    if is_full(error):
        return StorageFullError(f"the disk of {path} is full: make room, then open it again", path=str(path))
    return None
