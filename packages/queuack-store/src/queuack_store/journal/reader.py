"""Reading one segment: its records up to the first bad one, and what lies behind that.

A bad record with nothing valid behind it is a torn tail: its append never returned. With a valid record
behind it, it was whole once: bit rot. A search for the segment's mark tells the two apart; it takes only
records of later cycles, since a job's payload may well be a piece of this very file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from queuack_store.errors import DamagedJournalError, NewerSchemaError, StorageError
from queuack_store.journal.disk import Disk, storage_error
from queuack_store.journal.record import (
    FORMAT,
    HEADER_BYTES,
    RECORD_BYTES,
    SegmentHeader,
    mark_bytes,
    unpack_header,
    unpack_prefix,
)
from queuack_store.journal.segments import number_of

_BUFFER_BYTES = 1 << 18
NO_LIMIT = 1 << 64
"""A cycle that none is newer than: reads no bodies into memory."""


@dataclass(slots=True)
class SegmentContent:
    """What a segment holds: `newest` is its last whole record's cycle, which ends at byte `good`.

    `tail` is what lies from there on, without the zeros at its end: empty in a segment in good order.
    """

    path: Path
    header: SegmentHeader
    records: list[tuple[int, bytes]]
    newest: int
    good: int
    size: int
    tail: bytes
    valid_behind: int | None

    @property
    def count(self) -> int:
        """How many whole records it holds."""
        return self.newest - self.header.first_cycle + 1


def read_segment(path: Path, newer_than: int, disk: Disk | None = None) -> SegmentContent:
    """Read a segment, keeping the bodies of the cycles newer than one; changes nothing.

    Raises:
        DamagedJournalError: it has no valid header, or is no regular file.
        NewerSchemaError: a newer queuack wrote it.
        StorageError: it can't be read.
    """
    try:
        with os.fdopen((disk or Disk()).open(path), "rb", buffering=_BUFFER_BYTES) as file:
            return _read(file, path, newer_than)
    except StorageError:
        raise
    except OSError as error:
        raise storage_error(error, "read the journal's segment", path) from error


def _read(file: BinaryIO, path: Path, newer_than: int) -> SegmentContent:
    size = os.fstat(file.fileno()).st_size
    header = _read_header(file, path)
    records: list[tuple[int, bytes]] = []
    good, cycle = HEADER_BYTES, header.first_cycle
    while True:
        raw = file.read(RECORD_BYTES)
        prefix = unpack_prefix(header, raw)
        if prefix is None or prefix.length > size - good - RECORD_BYTES:
            break
        body = file.read(prefix.length)
        if prefix.cycle != cycle or not prefix.proves(header, body):
            break
        if cycle > newer_than:
            records.append((cycle, body))
        good += RECORD_BYTES + len(body)
        cycle += 1
    file.seek(good)
    rest = file.read()
    tail = rest.rstrip(b"\0")
    # The zeros may be the end of a record's body: the search needs them.
    behind = _find_valid(header, rest, cycle) if tail else None
    return SegmentContent(
        path, header, records, cycle - 1, good, size, tail, None if behind is None else good + behind
    )


def _read_header(file: BinaryIO, path: Path) -> SegmentHeader:
    header = unpack_header(file.read(HEADER_BYTES))
    if header is not None and header.version > FORMAT:
        raise NewerSchemaError(
            f"{path} was written by a newer queuack (journal format {header.version}, this one knows "
            f"{FORMAT}): upgrade this installation",
            segment=str(path),
            version=header.version,
        )
    if header is None or header.version < 1 or header.number != number_of(path):
        raise damaged(path, 0, "its header is not valid")
    return header


def _find_valid(header: SegmentHeader, rest: bytes, cycle: int) -> int | None:
    """Return where behind the good part the first valid record of a later cycle begins.

    At the very start any valid record counts: one that is whole but has the wrong cycle is not torn.
    """
    view, mark = memoryview(rest), mark_bytes(header)
    at = rest.find(mark)
    while at >= 0:
        start = at + RECORD_BYTES
        prefix = unpack_prefix(header, view[at:start])
        if (
            prefix is not None
            and (prefix.cycle > cycle or at == 0)
            and prefix.proves(header, view[start : start + prefix.length])
        ):
            return at
        at = rest.find(mark, at + 1)
    return None


def damaged(path: Path, byte: int, why: str) -> DamagedJournalError:
    """Return the error that names a segment, a byte, and what to do."""
    return DamagedJournalError(
        f"the journal's segment {path} is damaged at byte {byte}: {why}. Nothing was changed; look at it "
        f"with `queuack doctor`, or bring back a backup of the database and its journal together",
        segment=str(path),
        byte=byte,
    )


@dataclass(frozen=True, slots=True)
class Scan:
    """What `queuack doctor` shows of one segment.

    state: `clean`; `torn` (ends in a record whose append never returned: `torn_bytes` of it); `damaged`
    (from byte `damaged_at` on; `problem` says how). `good_bytes` is where the last good record ends.
    """

    path: Path
    state: Literal["clean", "torn", "damaged"]
    size: int
    records: int = 0
    first_cycle: int | None = None
    last_cycle: int | None = None
    epoch: int | None = None
    database_id: bytes | None = None
    good_bytes: int = 0
    torn_bytes: int = 0
    damaged_at: int | None = None
    problem: str = ""
    bodies: list[tuple[int, bytes]] = field(default_factory=list, repr=False)


def scan(path: str | os.PathLike[str], with_bodies: bool = False) -> Scan:
    """Look through one segment without changing it; damage is reported, not raised.

    `with_bodies` also returns the good records as (cycle, body).

    Raises:
        StorageError: the file can't be read at all.
        NewerSchemaError: a newer queuack wrote it.
    """
    path = Path(path)
    try:
        content = read_segment(path, -1 if with_bodies else NO_LIMIT)
    except DamagedJournalError as error:
        return Scan(path, "damaged", os.lstat(path).st_size, damaged_at=0, problem=error.message)
    rotten = content.valid_behind is not None
    problem = f"a valid record at byte {content.valid_behind} lies behind the bad one" if rotten else ""
    return Scan(
        path,
        "damaged" if rotten else "torn" if content.tail else "clean",
        content.size,
        records=content.count,
        first_cycle=content.header.first_cycle if content.count else None,
        last_cycle=content.newest if content.count else None,
        epoch=content.header.epoch,
        database_id=content.header.database,
        good_bytes=content.good,
        torn_bytes=0 if rotten else len(content.tail),
        damaged_at=content.good if rotten else None,
        problem=problem,
        bodies=content.records,
    )
