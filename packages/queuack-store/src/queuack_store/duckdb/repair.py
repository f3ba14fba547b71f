"""Opening a file that a crash left torn: exact repairs only, each with a copy kept; all else refused by name.

Runs while nothing in this process has the file open: opening it a second time would drop DuckDB's lock (T3).
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from queuack_store.clock import wall
from queuack_store.duckdb.connection import connect
from queuack_store.duckdb.damage import is_torn_tail, last_transaction, valid_end
from queuack_store.duckdb.failures import explain_opening
from queuack_store.errors import DamagedFileError

_log = logging.getLogger("queuack.duckdb")
_MAX_REPAIRS = 16  # each tear is one block; more than a few means that the disk is failing
_FIRST_BLOCK = 12_288  # behind the three header pages; a shorter file is one whose creation was cut off
_MAGIC = b"DUCK"
_TORN_BLOCK = re.compile(
    r"computed checksum (?P<computed>\d+) does not match stored checksum (?P<stored>\d+) "
    r"in block at location (?P<location>\d+)"
)
_TORN_LOG = re.compile(r"Corrupt WAL file: entry at byte position (?P<position>\d+)")


def connect_repaired(path: Path, log: bool = True) -> tuple[Any, list[str]]:
    """Open the file, mending what a crash tore (and logging it); return the connection and what was mended.

    Raises:
        DamagedFileError: what is damaged can't be repaired exactly. And whatever `explain_opening` names.
    """
    kept = _Copies(path, log)
    for _ in range(_MAX_REPAIRS + 1):
        try:
            return connect(path), kept.mended
        except duckdb.Error as error:
            known = explain_opening(error, path)
            if known is not None:
                raise known from error
            _mend(path, error, kept)
    raise DamagedFileError(
        f"{path} is still damaged after {_MAX_REPAIRS} repairs; the original is in {kept.folder}: "
        "check the disk, and restore a backup",
        path=str(path), copies=str(kept.folder),
    )  # fmt: skip


def set_aside_aborted(path: Path) -> bool:
    """Move a file away whose creation was cut off before it held anything; return whether it was one."""
    if not path.is_file() or path.stat().st_size >= _FIRST_BLOCK or Path(f"{path}.wal").exists():
        return False
    head = path.read_bytes()
    if head.strip(b"\0") and head[8:12] != _MAGIC:
        return False  # someone's small file, not a database: refused when it is opened
    aside = path.with_name(f"{path.name}.aborted-{_stamp()}")
    os.rename(path, aside)
    _log.warning("%s was cut off while it was made and holds nothing: moved to %s", path, aside)
    return True


def refuse_orphan_log(path: Path) -> None:
    """Refuse a log without its database: DuckDB would make an empty one and delete the log (trap T5)."""
    for log in (Path(f"{path}.wal"), Path(f"{path}.wal.checkpoint")):
        if log.exists():
            raise DamagedFileError(
                f"{path} is missing but its log {log} is there: put the database back beside it, or move the "
                "log away to start empty",
                path=str(path), log=str(log),
            )  # fmt: skip


def would_mend(path: Path, error: duckdb.Error) -> tuple[str | None, DamagedFileError | None]:
    """Say what opening would repair exactly after this error, or how it would refuse; changes nothing."""
    torn_block = _TORN_BLOCK.search(str(error))
    if torn_block:
        location = int(torn_block["location"])
        with open(path, "rb") as file:
            file.seek(location)
            if location >= _FIRST_BLOCK and file.read(8) == struct.pack("<Q", int(torn_block["stored"])):
                return f"the checksum of a metadata block that a crash tore, at byte {location}", None
        return None, _damaged_block(path, location)
    torn_log = _TORN_LOG.search(str(error))
    if torn_log:
        log_path, position = Path(f"{path}.wal"), int(torn_log["position"])
        log = log_path.read_bytes()
        end = valid_end(log)
        if 0 < end <= position and is_torn_tail(log, end):
            return f"{len(log) - end} bytes of a torn, unacknowledged tail of the log", None
        return None, _damaged_log(path, log_path, position)
    return None, _unknown_damage(path, error)


def cut_log(path: Path, damaged_at: int) -> int:
    """Cut a damaged log behind its last whole transaction; return how many bytes went. Keep a copy first."""
    log_path = Path(f"{path}.wal")
    log = log_path.read_bytes()
    end = last_transaction(log, damaged_at)
    if not end:  # DuckDB refuses an empty log
        log_path.unlink()
        return len(log)
    with open(log_path, "rb+") as file:
        file.truncate(end)
        file.flush()
        os.fsync(file.fileno())
    return len(log) - end


def _damaged_block(path: Path, location: int) -> DamagedFileError:
    return DamagedFileError(
        f"{path} is damaged at byte {location} in a way that can't be repaired exactly; nothing was "
        "changed: restore a backup",
        path=str(path), location=location,
    )  # fmt: skip


def _damaged_log(path: Path, log_path: Path, position: int) -> DamagedFileError:
    return DamagedFileError(
        f"{log_path} is damaged at byte {position}, with whole transactions behind it: that is no torn "
        "tail, and cutting it there would lose them. Nothing was changed: run `queuack repair`, or restore "
        "a backup",
        path=str(path), log=str(log_path), position=position,
    )  # fmt: skip


def _unknown_damage(path: Path, error: duckdb.Error) -> DamagedFileError:
    return DamagedFileError(
        f"{path} can't be opened, and not for a reason that can be repaired exactly: {error}. Nothing was "
        "changed: restore a backup, or put back the log that belongs to it",
        path=str(path),
    )  # fmt: skip


def _mend(path: Path, error: duckdb.Error, kept: _Copies) -> None:
    torn_block = _TORN_BLOCK.search(str(error))
    if torn_block:
        _mend_block(path, kept, *(int(torn_block[name]) for name in ("computed", "stored", "location")))
        return
    torn_log = _TORN_LOG.search(str(error))
    if torn_log:
        _mend_log(path, int(torn_log["position"]), kept)
        return
    raise _unknown_damage(path, error) from error


def _mend_block(path: Path, kept: _Copies, computed: int, stored: int, location: int) -> None:
    """Trap T1: a kill inside a checkpoint's write of a metadata block, in place, mixes old and new pages.

    What the header still points to is the same in both, and the log is still there; only the checksum, the
    block's first eight bytes, belongs to the other version.
    """
    kept.save()
    with open(path, "rb+") as file:
        file.seek(location)
        if location < _FIRST_BLOCK or file.read(8) != struct.pack("<Q", stored):
            raise _damaged_block(path, location)
        file.seek(location)
        file.write(struct.pack("<Q", computed))
        file.flush()
        os.fsync(file.fileno())
    kept.note(f"mended the checksum of the torn metadata block at byte {location}")


def _mend_log(path: Path, position: int, kept: _Copies) -> None:
    """Trap T7: a power cut leaves a broken last record, which DuckDB refuses instead of dropping."""
    log_path = Path(f"{path}.wal")
    log = log_path.read_bytes()
    end = valid_end(log)
    if not 0 < end <= position or not is_torn_tail(log, end):
        raise _damaged_log(path, log_path, position)
    kept.save()
    with open(log_path, "rb+") as file:
        file.truncate(end)
        file.flush()
        os.fsync(file.fileno())
    kept.note(f"cut {len(log) - end} bytes of an unacknowledged tail off the log at byte {end}")


class _Copies:
    """The file and its log as they were before the first repair."""

    def __init__(self, path: Path, log: bool) -> None:
        self._path = path
        self._log = log
        self.folder: Path | None = None
        self.mended: list[str] = []

    def save(self) -> None:
        """Copy both, once, into `<db>.corrupt-<time>/`."""
        if self.folder is not None:
            return
        folder = Path(f"{self._path}.corrupt-{_stamp()}")
        folder.mkdir(mode=0o700)
        for source in (self._path, Path(f"{self._path}.wal")):
            if source.exists():
                shutil.copyfile(source, folder / source.name)
        self.folder = folder

    def note(self, what: str) -> None:
        """Remember and log a repair."""
        self.mended.append(what)
        if self._log:
            _log.warning("%s: %s; the original is kept in %s", self._path, what, self.folder)


def _stamp() -> str:
    return datetime.fromtimestamp(wall(), UTC).strftime("%Y%m%dT%H%M%S.%f")
