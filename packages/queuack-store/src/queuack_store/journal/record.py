"""The bytes of a segment: one header, then records; little-endian, each part with its own checksum.

    segment  = header record* zeros*
    header   = magic(8) format(4) database(16) epoch(4) number(8) first_cycle(8) salt(4) mark(4) -(4) crc(4)
    record   = mark(4) crc(4) length(4) epoch(4) cycle(8) body(length)

`salt` and `mark` are random per segment: the salt seeds every checksum, so that bytes left over from
another file never pass for a record; the mark is what a search for records behind a bad one looks for.
A record's checksum covers its length, epoch, cycle and body. The cycles of a segment count up by one from
`first_cycle`, so that a record lost from the end of one segment is missed by the next one's header.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass

FORMAT = 1
MAGIC = b"queuackJ"
_HEADER = struct.Struct("<8sI16sIQQII4x")
_CRC = struct.Struct("<I")
_PREFIX = struct.Struct("<II")
_FACTS = struct.Struct("<IIQ")

HEADER_BYTES = _HEADER.size + _CRC.size
RECORD_BYTES = _PREFIX.size + _FACTS.size
MAX_BODY_BYTES = 1 << 30
"""A record's limit: far over one request's 64 MB, safely under the 2 GB that one write takes."""


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says of itself; `first_cycle` is the cycle of its first record, written or not."""

    database: bytes
    epoch: int
    number: int
    first_cycle: int
    salt: int
    mark: int
    version: int = FORMAT

    def pack(self) -> bytes:
        """Return the header's bytes."""
        packed = _HEADER.pack(
            MAGIC,
            self.version,
            self.database,
            self.epoch,
            self.number,
            self.first_cycle,
            self.salt,
            self.mark,
        )
        return packed + _CRC.pack(zlib.crc32(packed))


def new_header(database: bytes, epoch: int, number: int, first_cycle: int) -> SegmentHeader:
    """Return a header with a salt and a mark of its own."""
    salt, mark = struct.unpack("<II", os.urandom(8))
    # A mark of zero would make the zeros ahead of the last record look like records.
    return SegmentHeader(database, epoch, number, first_cycle, salt, mark or 1)


def unpack_header(raw: bytes) -> SegmentHeader | None:
    """Return the header in these bytes, or None where they hold no whole one."""
    if len(raw) < HEADER_BYTES:
        return None
    packed, crc = raw[: _HEADER.size], raw[_HEADER.size : HEADER_BYTES]
    if not packed.startswith(MAGIC) or _CRC.unpack(crc)[0] != zlib.crc32(packed):
        return None
    _, version, database, epoch, number, first_cycle, salt, mark = _HEADER.unpack(packed)
    return SegmentHeader(database, epoch, number, first_cycle, salt, mark, version)


def pack_prefix(header: SegmentHeader, cycle: int, body: bytes) -> bytes:
    """Return the bytes that stand before a record's body; the body itself is not copied."""
    facts = _FACTS.pack(len(body), header.epoch, cycle)
    return _PREFIX.pack(header.mark, zlib.crc32(body, zlib.crc32(facts, header.salt))) + facts


@dataclass(frozen=True, slots=True)
class RecordPrefix:
    """What stands before a body, not yet proven."""

    crc: int
    length: int
    cycle: int
    facts: bytes

    def proves(self, header: SegmentHeader, body: bytes | memoryview) -> bool:
        """Return whether this is the prefix of exactly that body in that segment."""
        return len(body) == self.length and zlib.crc32(body, zlib.crc32(self.facts, header.salt)) == self.crc


def unpack_prefix(header: SegmentHeader, raw: bytes | memoryview) -> RecordPrefix | None:
    """Return the prefix in these bytes, or None where they can't be one of this segment."""
    if len(raw) < RECORD_BYTES:
        return None
    mark, crc = _PREFIX.unpack(raw[: _PREFIX.size])
    facts = bytes(raw[_PREFIX.size : RECORD_BYTES])
    length, epoch, cycle = _FACTS.unpack(facts)
    if mark != header.mark or epoch != header.epoch or length > MAX_BODY_BYTES:
        return None
    return RecordPrefix(crc, length, cycle, facts)


def mark_bytes(header: SegmentHeader) -> bytes:
    """Return the four bytes that every record of the segment begins with."""
    return _CRC.pack(header.mark)
