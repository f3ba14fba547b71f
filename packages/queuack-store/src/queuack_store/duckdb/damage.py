"""DuckDB's own bytes, as far as a repair needs them: block and log checksums, and the log's records.

The log is a header and then [u64 size][u64 checksum][payload]*, little-endian; a transaction is a run of
records that ends with a flush marker. Verified against files of DuckDB 1.5 and 2.0.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator

_MASK = (1 << 64) - 1
_PREFIX = struct.Struct("<QQ")
_END_OF_OBJECT = b"\xff\xff"
_ENTRY_START = b"\x64\x00"  # field 100: every record begins with its kind
_FLUSH = b"\x64\x00\x64"  # kind 100: the transaction's end
_MAX_HEADER_BYTES = 256


def checksum(data: bytes) -> int:
    """Return DuckDB's checksum of `data`."""
    whole = len(data) & ~7
    result = 5381
    for word in array("Q", data[:whole]):
        result ^= (word * 0xBF58476D1CE4E5B9) & _MASK
    return result ^ _remainder(data[whole:]) if len(data) > whole else result


def _remainder(data: bytes) -> int:
    """MurmurHash64A of fewer than eight bytes."""
    prime = 0xC6A4A7935BD1E995
    mixed = 0xE17A1465 ^ ((len(data) * prime) & _MASK)
    mixed = ((mixed ^ int.from_bytes(data, "little")) * prime) & _MASK
    mixed = ((mixed ^ (mixed >> 47)) * prime) & _MASK
    return mixed ^ (mixed >> 47)


def payload_at(log: bytes, start: int) -> bytes | None:
    """Return the payload of the valid record at `start`; None where there is none."""
    if start + _PREFIX.size > len(log):
        return None
    size, stored = _PREFIX.unpack_from(log, start)
    first = start + _PREFIX.size
    if not 0 < size <= len(log) - first or not log.startswith(_ENTRY_START, first):
        return None
    payload = log[first : first + size]
    return payload if checksum(payload) == stored else None


def first_record(log: bytes) -> int | None:
    """Return where the first record starts: behind the header, whose length varies."""
    at = log.find(_END_OF_OBJECT, 0, _MAX_HEADER_BYTES)
    while at >= 0:
        start = at + len(_END_OF_OBJECT)
        if payload_at(log, start) is not None:
            return start
        at = log.find(_END_OF_OBJECT, at + 1, _MAX_HEADER_BYTES)
    return None


def valid_end(log: bytes) -> int:
    """Return where the unbroken run of valid records ends; 0 where not even the header is whole."""
    at = first_record(log)
    if at is None:
        return 0
    while (payload := payload_at(log, at)) is not None:
        at += _PREFIX.size + len(payload)
    return at


def last_transaction(log: bytes, damaged_at: int) -> int:
    """Return where the last whole transaction in front of the damage ends; 0 where there is none."""
    at = first_record(log)
    if at is None or at >= damaged_at:
        return 0
    end = 0
    while (payload := payload_at(log, at)) is not None:
        at += _PREFIX.size + len(payload)
        if payload.startswith(_FLUSH):
            end = at
    return end


def records_behind(log: bytes, start: int) -> Iterator[tuple[int, bool]]:
    """Find valid records anywhere behind `start`, wherever they are aligned: (offset, is a flush marker)."""
    at = log.find(_ENTRY_START, start + _PREFIX.size)
    while at >= 0:
        payload = payload_at(log, at - _PREFIX.size)
        if payload is None:
            at = log.find(_ENTRY_START, at + 1)
            continue
        yield at - _PREFIX.size, payload.startswith(_FLUSH)
        at = log.find(_ENTRY_START, at + len(payload))


def is_torn_tail(log: bytes, start: int) -> bool:
    """Return whether what is broken from `start` on is the last transaction only.

    A commit is one write of several records, and after a power cut its pages may be there in any order: valid
    records may follow the broken one. But nothing may follow a flush marker: that would be a later
    transaction, which was only written once this one was durable, so that the damage came afterwards.
    """
    flushed = False
    for _, is_flush in records_behind(log, start):
        if flushed:
            return False
        flushed = is_flush
    return True
