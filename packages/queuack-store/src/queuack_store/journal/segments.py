"""The segments' files: their names beside the database, how one is made, and how it goes.

A segment is written under a passing name and renamed once it is durable: under its final name it always
has a whole header. A passing name left by a crash holds nothing that was acknowledged.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from queuack_store.journal.disk import Disk, grow, storage_error
from queuack_store.journal.record import HEADER_BYTES, RECORD_BYTES, SegmentHeader, pack_prefix

RESERVE_BYTES = 1 << 20
"""Kept zeroed behind the last record: room for the urgent records of a full disk."""

CHUNK_BYTES = 1 << 18
"""How much is zeroed at a time, beyond the reserve; larger pieces make the sync after one slower."""

MAX_TORN_COPIES = 4
"""So many dropped tails are kept beside the database, the newest ones."""


@dataclass(slots=True)
class ClosedSegment:
    """A segment that takes no more records; `newest` is the newest cycle it holds."""

    path: Path
    newest: int
    size: int


@dataclass(slots=True)
class ActiveSegment:
    """The segment that takes records: they end at `end`, zeros that are allocated at `allocated`."""

    path: Path
    fd: int
    header: SegmentHeader
    end: int
    allocated: int


def segment_path(db_path: Path, number: int) -> Path:
    """Return the name of the database's segment with this number."""
    return db_path.with_name(f"{db_path.name}.journal.{number}")


def journal_files(db_path: str | os.PathLike[str]) -> list[Path]:
    """List the journal's segments beside a database, oldest first; the database need not exist."""
    path = Path(db_path)
    return [segment_path(path, number) for number in _numbers(path, ".journal.")]


def torn_files(db_path: Path) -> list[Path]:
    """List the copies of dropped tails beside a database, oldest first."""
    return [
        db_path.with_name(f"{db_path.name}.journal.torn-{number}")
        for number in _numbers(db_path, ".journal.torn-")
    ]


def number_of(path: Path) -> int:
    """Return the number in a segment's name."""
    return int(path.name.rpartition(".")[2])


def _numbers(db_path: Path, infix: str) -> list[int]:
    prefix = db_path.name + infix
    try:
        names = os.listdir(db_path.parent)
    except FileNotFoundError:
        return []
    ends = (name.removeprefix(prefix) for name in names if name.startswith(prefix))
    # isdecimal() lets other scripts' digits through, and a leading zero would name another file.
    return sorted(int(end) for end in ends if end.isascii() and end.isdecimal() and end[0] != "0")


def create_segment(
    disk: Disk, db_path: Path, header: SegmentHeader, records: Iterable[tuple[int, bytes]] = ()
) -> ActiveSegment:
    """Make a segment with these records in it; returns once it is durable, name and all.

    On a full disk it may begin without its reserve.

    Raises:
        StorageFullError: not even the header and the records fit; nothing is left behind.
        StorageError: the file can't be made.
    """
    passing = db_path.with_name(f"{db_path.name}.journal.new")
    path = segment_path(db_path, header.number)
    fd = -1
    try:
        remove_files(disk, [passing])
        fd = disk.create(passing)
        end = _write_whole(disk, fd, header, records)
        allocated = grow(disk, fd, end, end + RESERVE_BYTES + CHUNK_BYTES)
        disk.sync(fd)
        disk.rename(passing, path)
        disk.sync_folder(path.parent)
    except OSError as error:
        if fd >= 0:
            os.close(fd)
            # A segment that is not taken must not stay under its final name either.
            _try_unlink(disk, passing)
            _try_unlink(disk, path)
        raise storage_error(error, "begin the journal's segment", path) from error
    return ActiveSegment(path, fd, header, end, max(end, allocated))


def _write_whole(disk: Disk, fd: int, header: SegmentHeader, records: Iterable[tuple[int, bytes]]) -> int:
    end = HEADER_BYTES
    _write_parts(disk, fd, [header.pack()])
    for cycle, body in records:
        _write_parts(disk, fd, [pack_prefix(header, cycle, body), body])
        end += RECORD_BYTES + len(body)
    return end


def _write_parts(disk: Disk, fd: int, parts: list[bytes]) -> None:
    if disk.writev(fd, parts) != sum(map(len, parts)):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def keep_torn_copy(disk: Disk, db_path: Path, tail: bytes) -> Path:
    """Write a dropped tail beside the database and let the oldest copies go; returns its name.

    Raises:
        StorageFullError: there is no room for it; nothing was dropped.
    """
    kept = torn_files(db_path)
    number = int(kept[-1].name.rpartition("-")[2]) + 1 if kept else 1
    path = db_path.with_name(f"{db_path.name}.journal.torn-{number}")
    fd = -1
    try:
        fd = disk.create(path)
        _write_parts(disk, fd, [tail])
        disk.sync(fd)
        remove_files(disk, kept[: max(0, len(kept) + 1 - MAX_TORN_COPIES)])
        disk.sync_folder(path.parent)
    except OSError as error:
        if fd >= 0:
            _try_unlink(disk, path)
        raise storage_error(error, "keep a copy of the journal's torn tail as", path) from error
    finally:
        if fd >= 0:
            os.close(fd)
    return path


def remove_files(disk: Disk, paths: Iterable[Path]) -> None:
    """Delete files, oldest first; one that is gone already is fine. Raises OSError."""
    for path in paths:
        try:
            disk.unlink(path)
        except FileNotFoundError:
            continue


def _try_unlink(disk: Disk, path: Path) -> None:
    try:
        disk.unlink(path)
    except OSError:
        pass  # the error on its way says more than this one would
