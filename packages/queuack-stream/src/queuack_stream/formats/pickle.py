"""Pickle: any Python objects, in frames of a few dozen; only for files you or your own programs wrote.

A file is a head, frames (each a pickled list of rows) and a tail with their number. A file without the
head is taken as other programs write it: one pickle a row.
"""

from __future__ import annotations

import os
import pickle
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from queuack_stream.asking import Ask
from queuack_stream.bytestreams import open_to_read, open_to_write
from queuack_stream.errors import CorruptFileError, RowError, UntrustedFileError
from queuack_stream.formats.base import RowDecoder
from queuack_stream.registry import Format, ReadOptions, WriteOptions

_PROTOCOL = 5
_HEAD = ("queuack-stream pickle", 1)
_PEEKED = 1 << 13  # the unpickler copies the whole buffer for each frame, so a large one is slow
_TAIL = "queuack-stream end"


class PickleEncoder:
    """Writes each list of rows as one frame, so that what rows share within it is written once."""

    def __init__(self, path: Path, options: WriteOptions) -> None:
        self._file = open_to_write(path, options.compression, append=False)
        self._rows = 0
        self._file.write(pickle.dumps(_HEAD, _PROTOCOL))

    def write(self, rows: list[Any]) -> int:
        """Writes the rows as one frame."""
        try:
            frame = pickle.dumps(rows, _PROTOCOL)
        except Exception as error:  # a __reduce__ of the user's may raise anything
            raise self._refused(rows, error) from error
        self._file.write(frame)
        self._rows += len(rows)
        return len(frame)

    def finish(self) -> None:
        """Writes the tail and completes the file."""
        self._file.write(pickle.dumps((_TAIL, self._rows), _PROTOCOL))
        self._file.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def _refused(self, rows: list[Any], error: Exception) -> RowError:
        for at, row in enumerate(rows):
            for name, value in [*(row.items() if isinstance(row, dict) else ()), (None, row)]:
                try:
                    pickle.dumps(value, _PROTOCOL)
                except Exception:
                    why, hint = f"it can't be pickled ({error})", "Yield plain data."
                    return RowError(self._rows + at, name, value, why, hint)
        return RowError(
            self._rows, None, rows, f"the rows can't be pickled together ({error})", "Yield plain data."
        )


class PickleDecoder(RowDecoder):
    """Reads frames; a path that others could have written is refused, since pickles run code."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        super().__init__(str(path), None, options.max_buffer)
        _check_trust(path, options.trusted)
        self._path = path
        self._codec = options.compression
        self._trusted = options.trusted

    def blocks(self, ask: Ask) -> Iterator[list[Any]]:
        """The rows asked for; a file that breaks off raises CorruptFileError after its whole frames."""
        _check_trust(self._path, self._trusted)
        read = 0
        with open_to_read(self._path, self._codec, _PEEKED) as source:
            first = self._load(source, 0)
            if first is _END:
                raise CorruptFileError(str(self._path), "byte 0", "the file is empty, which no pickle is")
            framed = type(first) is tuple and len(first) == 2 and isinstance(first[0], str) and first == _HEAD
            block = self._load(source, 0) if framed else first
            while block is not _END:
                if framed and isinstance(block, tuple) and block[:1] == (_TAIL,):
                    return self._check_end(source, block, read)
                rows = block if framed else [block]
                read += len(rows)
                yield ask.apply(rows) if ask.tests or ask.columns else rows
                block = self._load(source, read)
        if framed:
            raise CorruptFileError(str(self._path), f"after row {read - 1}", "the end of the file is missing")
        return None

    def _check_end(self, source: IO[bytes], tail: tuple[Any, ...], read: int) -> None:
        try:
            more = source.read(1)
        except Exception as error:  # a compressed file holds its checksum after all else
            why = f"the compressed data is damaged ({error!r})"
            raise CorruptFileError(str(self._path), "the end", why) from error
        if tail[1:] != (read,) or more:
            why = f"the tail speaks of {tail[1:]} rows and {read} were found, or more follows it"
            raise CorruptFileError(str(self._path), "the end", why)

    def _load(self, source: Any, read: int) -> Any:
        try:
            return pickle.load(source) if source.peek(1) else _END
        except Exception as error:  # damaged bytes can raise anything at all
            why = f"what follows is not a whole pickle ({error!r})"
            raise CorruptFileError(str(self._path), f"after row {read - 1}", why) from error


_END = object()


def _check_trust(path: Path, trusted: bool | None) -> None:
    """Refuses an untrusted pickle; None trusts files of this user or root that not everyone may write."""
    if trusted:
        return
    found = path.stat()
    if trusted is None and found.st_uid in (os.geteuid(), 0) and not found.st_mode & stat.S_IWOTH:
        return
    why = (
        "trusted=False was given" if trusted is False else "another user owns it or everyone may write to it"
    )
    raise UntrustedFileError(
        f"{path}: opening a pickle runs whatever code it holds, and {why}."
        " Give trusted=True if you know who wrote it, or use another format"
    )


FORMAT = Format(
    name="pickle",
    suffixes=(".pickle", ".pkl"),
    encoder=PickleEncoder,
    decoder=PickleDecoder,
    can_declare=False,
)
