"""Files of bytes, plain or compressed as a whole, cut at line ends where that is asked."""

from __future__ import annotations

import gzip
import io
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from queuack_stream.errors import CorruptFileError

BUFFER = 1 << 18  # a system call per quarter megabyte costs nothing measurable
GZIP_LEVEL = 6


def open_to_write(path: Path, codec: str | None, *, append: bool) -> IO[bytes]:
    """A file to write bytes to; appending to a compressed file adds a member (gzip) or frame (zstd)."""
    mode = "ab" if append else "wb"
    if codec is None:
        return open(path, mode, BUFFER)
    if codec == "gzip":
        return cast("IO[bytes]", gzip.open(path, mode, GZIP_LEVEL))
    import pyarrow as pa

    sink = pa.OSFile(str(path), mode=mode)
    return cast("IO[bytes]", pa.CompressedOutputStream(sink, codec))


def open_to_read(path: Path, codec: str | None, buffer: int = BUFFER) -> IO[bytes]:
    """A file to read bytes from, which can also `peek`. Raises CorruptFileError."""
    if codec is None:
        return open(path, "rb", buffer)
    found = path.stat()
    if stat.S_ISREG(found.st_mode) and not found.st_size:
        raise CorruptFileError(str(path), "byte 0", f"the file is empty, which no {codec} file is")
    if codec == "gzip":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    import pyarrow as pa

    # A read that meets the broken end loses what it had, so reads are small.
    return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path)), codec), min(buffer, 1 << 13))


def blocks(source: IO[bytes], path: Path, size: int) -> Iterator[bytes]:
    """The file in blocks of about `size` bytes.

    Raises:
        CorruptFileError: compressed data breaks off; after all bytes before that.
    """
    offset = 0
    error: Exception | None = None
    while error is None:
        pieces: list[bytes] = []
        held = 0
        try:
            while held < size and (piece := source.read1(size - held)):  # type: ignore[attr-defined]
                pieces.append(piece)
                held += len(piece)
        except (EOFError, OSError, zlib.error) as problem:
            error = problem
        offset += held
        if held:
            yield b"".join(pieces) if len(pieces) > 1 else pieces[0]
        elif error is None:
            return
    why = f"the compressed data breaks off ({error})"
    raise CorruptFileError(str(path), f"byte {offset}", why) from error


def whole_lines(source: IO[bytes], path: Path, size: int) -> Iterator[bytes]:
    """The file in blocks of about `size` bytes, each ending at a line's end (the last one perhaps not)."""
    pieces: list[
        bytes
    ] = []  # of a line longer than a block: joined once, so its length costs no more than it is
    for block in blocks(source, path, size):
        end = block.rfind(b"\n") + 1
        if not end:
            pieces.append(block)
            continue
        pieces.append(block[:end])
        yield b"".join(pieces) if len(pieces) > 1 else pieces[0]
        pieces = [block[end:]] if end < len(block) else []
    if rest := b"".join(pieces):
        yield rest


def ends_midline(path: Path) -> bool:
    """Whether an uncompressed file has a last line without an end, which appending has to complete."""
    with open(path, "rb") as file:
        if file.seek(0, 2) == 0:
            return False
        file.seek(-1, 2)
        return file.read(1) != b"\n"
