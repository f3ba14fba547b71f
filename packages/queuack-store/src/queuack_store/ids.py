"""Job ids: UUIDv7, made by the sender, 16 bytes inside and 36 characters in public.

Layout after RFC 9562: 48 bits of milliseconds, version, and random bits; ids of one batch count up,
so that they sort in the order they were made and lie together on disk.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable

from queuack_store.clock import wall
from queuack_store.errors import InvalidRequestError

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_LOW_BITS = 62
_LOW_MASK = (1 << _LOW_BITS) - 1
_lock = threading.Lock()
_last_ms = 0
_last_count = 0


def new_ids(count: int) -> list[bytes]:
    """Make `count` fresh ids in ascending order."""
    global _last_ms, _last_count  # one ascending sequence per process
    with _lock:
        ms = int(wall() * 1000)
        if ms <= _last_ms:
            ms = _last_ms
        else:
            _last_count = 0
        _last_ms, start = ms, _last_count
        _last_count += count
    low = int.from_bytes(os.urandom(8), "big") & (_LOW_MASK >> 1)
    ids = []
    for i in range(start, start + count):
        head = ((ms + (i >> 12)) << 80) | _VERSION | ((i & 0xFFF) << 64)
        ids.append((head | _VARIANT | ((low + i) & _LOW_MASK)).to_bytes(16, "big"))
    return ids


def new_id() -> bytes:
    """Make one fresh id."""
    return new_ids(1)[0]


def to_text(raw: bytes) -> str:
    """Return the 36-character form."""
    h = raw.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def to_texts(raws: Iterable[bytes]) -> list[str]:
    """Return the 36-character forms."""
    return [to_text(raw) for raw in raws]


def to_raw(text: str, what: str = "job id") -> bytes:
    """Return the 16 bytes of a UUID in text form.

    Raises:
        InvalidRequestError: `text` is not a UUID.
    """
    try:
        raw = bytes.fromhex(text.replace("-", ""))
    except (ValueError, AttributeError, TypeError):
        raw = b""
    if len(raw) != 16:
        source = "submit()" if what == "run id" else "enqueue()"
        raise InvalidRequestError(
            f"{text!r} is no {what}: give the UUID that {source} returned", id=str(text)
        )
    return raw
