"""Opening a journal: read every segment, prove that nothing is missing, and carry on in a new one.

All checks come before the first change: where one fails, the files stay as they are. Then what the
last owner wrote is made durable. Each of its records but the newest was synced before the next one was
written, so the newest alone may be in the page cache only, or have failed its sync: the new segment
begins with a copy of it. The segments before are synced as well and stay until a checkpoint releases them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from queuack_store.engine.journalling import Probe
from queuack_store.errors import DamagedJournalError, StorageError
from queuack_store.journal.disk import Disk, storage_error
from queuack_store.journal.reader import SegmentContent, damaged, read_segment
from queuack_store.journal.record import new_header
from queuack_store.journal.segments import (
    ActiveSegment,
    ClosedSegment,
    create_segment,
    journal_files,
    keep_torn_copy,
    number_of,
)
from queuack_store.journal.writer import FileJournal

_log = logging.getLogger("queuack.journal")


def open_journal(
    db_path: str | os.PathLike[str],
    database_id: bytes,
    applied_cycle: int,
    probe: Probe,
    disk: Disk | None = None,
) -> tuple[FileJournal, list[tuple[int, bytes]]]:
    """Open the journal beside a database, or begin one; returns it with what is newer than `applied_cycle`.

    The (cycle, body) pairs are without a gap from `applied_cycle` + 1 on, and durable. Only the
    process that holds the database's lock may call this. A torn tail is dropped: copied beside
    the database, and logged.

    Raises:
        DamagedJournalError: damage in the middle, a gap, or another database's journal.
        NewerSchemaError: a newer queuack wrote it.
        StorageFullError: there is no room to make the last record durable.
        StorageError: the files can't be read or written.
    """
    path, disk = Path(db_path), disk or Disk()
    if len(database_id) != 16:
        raise ValueError(f"a database id has 16 bytes, not {len(database_id)}")
    contents = [read_segment(found, applied_cycle, disk) for found in journal_files(path)]
    records = _check(contents, database_id, applied_cycle)
    last = contents[-1] if contents else None
    if last is not None:
        _settle(disk, path, last)
        _sync(disk, contents[:-1])
    newest = max([applied_cycle, *(content.newest for content in contents)])
    active = _begin(disk, path, database_id, newest, last, records)
    closed = [ClosedSegment(content.path, content.newest, content.good) for content in contents]
    return FileJournal(path, active, closed, newest + 1, probe, disk), records


def _check(contents: list[SegmentContent], database_id: bytes, applied_cycle: int) -> list[tuple[int, bytes]]:
    """Return the records of all segments in order, each cycle once, or raise what is wrong with them."""
    bodies: dict[int, bytes] = {}
    newest, covered, epoch = applied_cycle, 0, 0
    for content in contents:
        _check_whole(content, database_id, last=content is contents[-1])
        header = content.header
        if header.first_cycle > newest + 1:
            raise _gap(content, newest)
        if header.epoch < epoch:
            raise damaged(content.path, 0, f"its epoch {header.epoch} is older than the one before, {epoch}")
        if header.first_cycle <= covered and header.epoch == epoch:
            raise damaged(content.path, 0, f"it repeats cycle {header.first_cycle} of its own owner")
        for cycle, body in content.records:
            # A new owner repeats the newest record of the last one: the same bytes, or one of them is false.
            if bodies.setdefault(cycle, body) != body:
                raise damaged(content.path, 0, f"its cycle {cycle} is not the one of an earlier segment")
        covered, epoch = max(covered, content.newest), header.epoch
        newest = max(newest, covered)
    return sorted(bodies.items())


def _check_whole(content: SegmentContent, database_id: bytes, last: bool) -> None:
    if content.header.database != database_id:
        raise DamagedJournalError(
            f"{content.path} is the journal of another database ({content.header.database.hex()}, this one "
            f"is {database_id.hex()}): put it back beside its own database; nothing was changed",
            segment=str(content.path),
            byte=0,
            database_id=database_id.hex(),
            journal_id=content.header.database.hex(),
        )
    if content.valid_behind is not None:
        raise damaged(
            content.path, content.good, f"a valid record at byte {content.valid_behind} lies behind a bad one"
        )
    if content.tail and not last:
        raise damaged(content.path, content.good, "it was closed whole, but does not end whole")


def _gap(content: SegmentContent, newest: int) -> DamagedJournalError:
    first = content.header.first_cycle
    return DamagedJournalError(
        f"cycles {newest + 1} to {first - 1} are missing before the journal's segment {content.path}: the "
        f"database is older than its journal, or a segment was deleted. Nothing was changed; put the missing "
        f"file back, or look at it with `queuack doctor`",
        segment=str(content.path),
        byte=0,
        first_missing=newest + 1,
        last_missing=first - 1,
    )


@contextmanager
def _reopened(disk: Disk, path: Path) -> Iterator[int]:
    """Open a segment for changing it; what the system refuses becomes a named error."""
    try:
        fd = disk.open(path, write=True)
        try:
            yield fd
        finally:
            os.close(fd)
    except StorageError:
        raise
    except OSError as error:
        raise storage_error(error, "settle the journal's segment", path) from error


def _settle(disk: Disk, db_path: Path, last: SegmentContent) -> None:
    """Cut the last segment behind its last good record, keeping a copy of a torn tail, and sync it."""
    with _reopened(disk, last.path) as fd:
        # The zeros go first: on a full disk they are the room that the copy needs.
        disk.truncate(fd, last.good + len(last.tail))
        if last.tail:
            copy = keep_torn_copy(disk, db_path, last.tail)
            _log.warning(
                "dropped a torn tail of %d bytes, never acknowledged, from %s at byte %d; a copy is in %s",
                len(last.tail),
                last.path,
                last.good,
                copy,
            )
            disk.truncate(fd, last.good)
        disk.sync(fd)


def _sync(disk: Disk, contents: list[SegmentContent]) -> None:
    for content in contents:
        with _reopened(disk, content.path) as fd:
            disk.sync(fd)


def _begin(
    disk: Disk,
    db_path: Path,
    database_id: bytes,
    newest: int,
    last: SegmentContent | None,
    records: list[tuple[int, bytes]],
) -> ActiveSegment:
    """Make the new owner's segment, beginning with a copy of the newest record that is not yet applied."""
    doubtful = records[-1:]
    epoch, number = (last.header.epoch + 1, number_of(last.path) + 1) if last else (1, 1)
    header = new_header(database_id, epoch, number, doubtful[0][0] if doubtful else newest + 1)
    return create_segment(disk, db_path, header, doubtful)
