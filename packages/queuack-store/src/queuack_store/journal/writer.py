"""The journal an engine writes to: one write and one sync per cycle, into a segment that is zeroed ahead.

Zeros are written ahead of the records for two reasons. A sync that changes neither a file's size nor its
blocks takes a third less time; and they are the reserve: an urgent record fits into them on a disk
that is full. Others may only use what lies before the last megabyte of them.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import NoReturn

from queuack_store.engine.journalling import JournalFailedError, Probe
from queuack_store.errors import InvalidRequestError, StorageError, StorageFullError, StoreClosedError
from queuack_store.journal.disk import FULL, Disk, grow, storage_error
from queuack_store.journal.record import MAX_BODY_BYTES, RECORD_BYTES, new_header, pack_prefix
from queuack_store.journal.segments import (
    CHUNK_BYTES,
    RESERVE_BYTES,
    ActiveSegment,
    ClosedSegment,
    create_segment,
    remove_files,
)

_log = logging.getLogger("queuack.journal")

_LARGE_BYTES = 1 << 16
"""Ahead of records this large, blocks are only allocated: zeroing would double what is written."""

_LARGE_CHUNK_BYTES = 1 << 22
"""How much is allocated at a time; it costs no writing, and each time costs a sync of the file's size."""


class FileJournal:
    """An append-only log of cycles in segments beside the database; made by `open_journal`.

    Safe to call from several threads; an append waits for a rotation, not for a release.
    """

    def __init__(
        self,
        db_path: Path,
        active: ActiveSegment,
        closed: list[ClosedSegment],
        next_cycle: int,
        probe: Probe,
        disk: Disk,
    ) -> None:
        self._db_path = db_path
        self._active = active
        self._closed = closed
        self._next = next_cycle
        self._probe = probe
        self._disk = disk
        self._lock = threading.Lock()
        self._failed: str | None = None
        self._open = True

    @property
    def size(self) -> int:
        """Bytes in the segments that are still kept, without the zeros ahead."""
        return self._active.end + sum(segment.size for segment in list(self._closed))

    @property
    def epoch(self) -> int:
        """How many owners have opened this journal since it was begun, this one included."""
        return self._active.header.epoch

    @property
    def next_cycle(self) -> int:
        """The only cycle that `append` takes next."""
        return self._next

    def append(self, cycle: int, body: bytes, urgent: bool = False) -> None:
        """Append one record and make it durable; returns after that.

        Cycles count up by one; one whose append failed is free again. `urgent` records may use the reserve.

        Raises:
            StorageFullError: nothing was stored; the journal goes on, and takes records again as soon
                as there is room.
            JournalFailedError: a write or sync failed for good. Nothing may be acknowledged any more.
            InvalidRequestError: the body is over MAX_BODY_BYTES; nothing was stored.
            ValueError: not the next cycle.
        """
        with self._lock:
            active = self._active
            size = RECORD_BYTES + len(body)
            end = active.end + size
            if self._failed or not self._open or cycle != self._next or len(body) > MAX_BODY_BYTES:
                self._refuse(cycle, body)
            if end + RESERVE_BYTES > active.allocated and not self._make_room(end, size) and not urgent:
                raise self._full(cycle, size)
            try:
                written = self._disk.writev(active.fd, (pack_prefix(active.header, cycle, body), body))
            except OSError as error:
                if error.errno not in FULL:
                    self._fail(error, "write to")
                written = -1
            if written != size:
                self._undo(size)
                raise self._full(cycle, size)
            self._probe("journal.written")
            try:
                self._disk.sync(active.fd)
            except OSError as error:
                self._fail(error, "sync")
            active.end = end
            if end > active.allocated:
                active.allocated = end
            self._next = cycle + 1
            self._probe("journal.synced")

    def rotate(self) -> None:
        """Begin a new segment; what was written so far can then be released as a whole.

        Raises:
            StorageFullError: not even an empty segment fits; the old one goes on.
            JournalFailedError: the old segment could not be closed, or the new one made, for good.
        """
        with self._lock:
            self._check_usable()
            old = self._active
            try:
                # Its zeros go before the new one's come, so that a full disk can rotate, and so free itself.
                self._disk.truncate(old.fd, old.end)
                old.allocated = old.end
                self._disk.sync(old.fd)
            except OSError as error:
                self._fail(error, "close")
            last = old.header
            header = new_header(last.database, last.epoch, last.number + 1, self._next)
            try:
                self._active = create_segment(self._disk, self._db_path, header)
            except StorageFullError:
                raise
            except StorageError as error:
                self._fail(error, "rotate")
            self._closed.append(ClosedSegment(old.path, self._next - 1, old.end))
            os.close(old.fd)
        self._probe("journal.rotated")

    def release(self, cycle: int) -> None:
        """Delete the closed segments that hold nothing newer than `cycle`, which a checkpoint made safe.

        Raises:
            StorageError: one could not be deleted; it stays, and the next release tries again.
        """
        self._check_usable()
        while self._closed and self._closed[0].newest <= cycle:
            path = self._closed[0].path
            try:
                # One name at a time: deletions synced together may survive a power cut in any order.
                remove_files(self._disk, [path])
                self._disk.sync_folder(path.parent)
            except OSError as error:
                raise storage_error(error, "delete the journal's segment", path) from error
            del self._closed[0]
            self._probe("journal.released")

    def close(self, remove: bool) -> None:
        """Close; with `remove`, everything in it is applied and checkpointed: delete it.

        A journal that failed is left as it is for the next owner, whatever `remove` says.

        Raises:
            StorageError: a segment could not be deleted or cut.
        """
        with self._lock:
            if not self._open:
                return
            self._open = False
            active = self._active
            try:
                if self._failed:
                    return
                if not remove:
                    self._disk.truncate(active.fd, active.end)
                    return
                remove_files(self._disk, [*(segment.path for segment in self._closed), active.path])
                self._closed.clear()
                self._disk.sync_folder(active.path.parent)
            except OSError as error:
                raise storage_error(error, "close the journal's segment", active.path) from error
            finally:
                os.close(active.fd)

    def abandon(self) -> None:
        """Let go of the file without touching it: for the child of a fork, which is no owner."""
        if self._open:
            self._open = False
            os.close(self._active.fd)

    def _make_room(self, end: int, size: int) -> bool:
        """Zero more of the segment; returns whether the reserve is whole behind `end`."""
        active = self._active
        large = size >= _LARGE_BYTES
        stop = end + RESERVE_BYTES + (_LARGE_CHUNK_BYTES if large else CHUNK_BYTES)
        try:
            active.allocated = grow(self._disk, active.fd, active.allocated, stop, blocks_only=large)
        except OSError as error:
            self._fail(error, "extend")
        return end + RESERVE_BYTES <= active.allocated

    def _undo(self, size: int) -> None:
        """Bring the segment back to its last good record, keeping the reserve where that can be."""
        active = self._active
        try:
            self._disk.truncate(active.fd, active.allocated)
            stop = min(active.end + size, active.allocated)
            if grow(self._disk, active.fd, active.end, stop) < stop:
                # A file system that copies on write may have no room even for zeros in place.
                self._disk.truncate(active.fd, active.end)
                active.allocated = active.end
            os.lseek(active.fd, active.end, os.SEEK_SET)
        except OSError as error:
            self._fail(error, "cut")

    def _full(self, cycle: int, size: int) -> StorageFullError:
        active = self._active
        return StorageFullError(
            f"the disk is full: {size} bytes for cycle {cycle} do not fit into the journal {active.path}. "
            f"Nothing of it was stored and nothing before it is lost; make room, then send it again",
            path=str(active.path),
            needed_bytes=size,
            reserve_bytes=max(0, active.allocated - active.end),
        )

    def _fail(self, error: OSError, doing: str) -> NoReturn:
        # The kernel may have dropped the pages that it could not write: no later sync vouches for them.
        self._failed = (
            f"cannot {doing} the journal {self._active.path}: {error}. Nothing after cycle {self._next - 1} "
            f"is known to be durable; this owner must end, the next one recovers what is on the disk"
        )
        _log.error("%s", self._failed)
        raise JournalFailedError(self._failed) from error

    def _refuse(self, cycle: int, body: bytes) -> NoReturn:
        self._check_usable()
        if cycle != self._next:
            raise ValueError(f"cycle {cycle} out of order: the journal's next one is {self._next}")
        raise InvalidRequestError(
            f"cycle {cycle} has {len(body)} bytes, over the journal's limit of {MAX_BODY_BYTES}: "
            f"split the request",
            size_bytes=len(body),
            max_bytes=MAX_BODY_BYTES,
        )

    def _check_usable(self) -> None:
        if self._failed:
            raise JournalFailedError(self._failed)
        if not self._open:
            raise StoreClosedError("the journal was closed; open the queue again", path=str(self._db_path))
