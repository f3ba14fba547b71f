"""DuckDB's write-ahead log, seen from outside: whose it is, how long, whether still there, is there room.

DuckDB makes its log readable by everyone and deletes it with each checkpoint; it writes to an empty one
that is there already. So an empty one, for this user only, is always there first. Apart from making that,
only by `stat`: opening the database or its log here would drop DuckDB's file lock (trap T3).
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

_LOG = logging.getLogger("queuack.duckdb")
MAX_LOG_BYTES = 64 << 20  # replay of so much takes about a second
_SMALL_DISK = 64  # of a disk under 4 GB, such a part of it is kept free instead
MAX_TRANSACTIONS = 20_000  # and of so many, however small


class Log:
    """The log of one database file; of a database in memory it is always empty."""

    def __init__(self, path: Path | None) -> None:
        self._database = path
        self._path = None if path is None else Path(f"{path}.wal")
        self._inode: tuple[int, int] | None = None
        self._database_inode: tuple[int, int] | None = None
        self._transactions = 0
        self._warned = False

    def opened(self) -> None:
        """Note what is there now, the log being this user's alone."""
        if self._path is not None and self._path.exists():
            os.chmod(self._path, 0o600)  # an older version, or another program, may have made it
        self._begin()
        self._database_inode = _inode(self._database)

    def committed(self) -> None:
        """Count a transaction."""
        self._transactions += 1

    def checkpointed(self) -> None:
        """Begin anew: the checkpoint took the log away."""
        self._transactions = 0
        self._begin()

    def closed(self) -> None:
        """Remove the log where it is empty; only once DuckDB has closed it."""
        if self._path is not None and not self._size():
            self._path.unlink(missing_ok=True)

    def _begin(self) -> None:
        """Make the empty log for DuckDB to write to, where there is none."""
        if self._path is not None:
            try:
                os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            except OSError:  # it is there; or the disk is full, and DuckDB can make none either
                pass
        self._inode = _inode(self._path)

    def was_taken_away(self) -> bool:
        """Return whether the log or the database is another file than the one written to before."""
        if self._path is None:
            return False
        known, self._inode = self._inode, _inode(self._path)
        return (known is not None and known != self._inode) or not self.database_is_in_place()

    def database_is_in_place(self) -> bool:
        """Return whether the path still leads to the database that was opened."""
        return _inode(self._database) == self._database_inode

    def exists(self) -> bool:
        """Return whether there is anything that a checkpoint would move into the file."""
        return self._size() > 0

    def is_long(self) -> bool:
        """Return whether replaying the log would begin to take long."""
        return self._transactions >= MAX_TRANSACTIONS or self._size() >= MAX_LOG_BYTES

    def has_room(self) -> bool:
        """Return whether the disk has room for a checkpoint; one that fails invalidates the database."""
        if self._database is None:
            return True
        disk = os.statvfs(self._database.parent)
        free, whole = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
        needed = 2 * (self._size() + min(MAX_LOG_BYTES, whole // _SMALL_DISK))
        if free < needed and not self._warned:
            _LOG.warning(
                "no checkpoint of %s: it needs %d MB free on the disk, there are %d",
                self._database, needed >> 20, free >> 20,
            )  # fmt: skip
        self._warned = free < needed  # once, until there is room again
        return free >= needed

    def _size(self) -> int:
        try:
            return 0 if self._path is None else os.stat(self._path).st_size
        except FileNotFoundError:
            return 0


def _inode(path: Path | None) -> tuple[int, int] | None:
    try:
        found = None if path is None else os.stat(path)
    except FileNotFoundError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)
