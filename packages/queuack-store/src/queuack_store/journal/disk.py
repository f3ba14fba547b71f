"""The system calls the journal makes, in one place: where macOS differs, and where tests inject faults."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from queuack_store.durable import sync
from queuack_store.errors import DamagedJournalError, ReadOnlyStoreError, StorageError, StorageFullError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a full disk, a full quota, or a file at its size limit says."""

_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NOT_ALLOCATED = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
_ZEROS = memoryview(bytes(256 * 1024))


class Disk:
    """The real system calls; every method raises OSError as they do."""

    def create(self, path: Path) -> int:
        """Make a file that must not exist yet, readable by its owner only, and open it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(path, flags, 0o600)
        os.fchmod(fd, 0o600)  # a umask may take bits away from what open() was asked for
        return fd

    def open(self, path: Path, write: bool = False) -> int:
        """Open a regular file that exists; never follows a symbolic link, never waits for a pipe.

        Raises:
            DamagedJournalError: it is a link, a pipe or another thing that is no file.
        """
        flags = os.O_RDWR if write else os.O_RDONLY
        try:
            fd = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR):
                raise _not_a_file(path) from error
            raise
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise _not_a_file(path)
        return fd

    def writev(self, fd: int, parts: Sequence[bytes]) -> int:
        """Write at the file's position; returns how much was written."""
        return os.writev(fd, parts)

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        """Write at an offset; returns how much was written."""
        return os.pwrite(fd, data, offset)

    def sync(self, fd: int) -> None:
        """Return once the file's bytes and size are on the disk itself."""
        if sys.platform == "darwin":
            import fcntl

            # There fsync() stops at the drive's cache.
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(fd)

    def truncate(self, fd: int, size: int) -> None:
        """Set the file's size."""
        os.ftruncate(fd, size)

    def allocate(self, fd: int, offset: int, size: int) -> bool:
        """Give a range its blocks without writing them; False where the system can't."""
        if sys.platform != "darwin":
            try:
                os.posix_fallocate(fd, offset, size)
            except OSError as error:
                if error.errno not in _NOT_ALLOCATED:
                    raise
            else:
                return True
        return False

    def rename(self, old: Path, new: Path) -> None:
        """Give a file its final name."""
        os.rename(old, new)

    def unlink(self, path: Path) -> None:
        """Delete a file."""
        os.unlink(path)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable."""
        sync(folder)


def grow(disk: Disk, fd: int, start: int, stop: int, blocks_only: bool = False) -> int:
    """Fill a range with zeros, as far as the disk has room; returns how far that was.

    With `blocks_only` the range only gets its blocks where the system can do that.
    """
    try:
        if blocks_only and disk.allocate(fd, start, stop - start):
            return stop
        while start < stop:
            written = disk.pwrite(fd, _ZEROS[: stop - start], start)
            if not written:
                break
            start += written
    except OSError as error:
        if error.errno not in FULL:
            raise
    return start


def storage_error(error: OSError, doing: str, path: Path) -> StorageError:
    """Return the named error for what the system refused."""
    facts = {"path": str(path), "errno": error.errno}
    reason = f"cannot {doing} {path}: {error.strerror or error}"
    if error.errno in FULL:
        return StorageFullError(f"{reason}; make room on the disk, then try again", **facts)
    if error.errno in _READ_ONLY:
        return ReadOnlyStoreError(f"{reason}; the journal needs a folder it can write to", **facts)
    return StorageError(f"{reason}; check the disk, then open the queue again", **facts)


def _not_a_file(path: Path) -> DamagedJournalError:
    return DamagedJournalError(
        f"{path} is no regular file, so it is no journal of this queue: look at what put it there and "
        f"move it away; nothing was changed",
        segment=str(path),
        byte=0,
    )
