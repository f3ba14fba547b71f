"""What a format is, which ones there are, and how a path names one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from queuack_stream.errors import UnknownFormatError

if TYPE_CHECKING:
    import pyarrow as pa

    from queuack_stream.asking import Ask


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What a StreamWriter was told; sizes are in bytes."""

    schema: pa.Schema | None = None
    compression: str | None = None
    append: bool = False
    max_buffer: int = 16_000_000
    row_group_rows: int = 131_072


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a StreamReader was told."""

    schema: pa.Schema | None = None
    compression: str | None = None
    trusted: bool | None = None
    max_buffer: int = 16_000_000


class Encoder(Protocol):
    """Writes rows to one file. `close` may be called at any time and more than once."""

    def write(self, rows: list[Any]) -> int:
        """Takes some rows, at least one; returns about how many bytes they come to. Raises RowError."""

    def finish(self) -> None:
        """Completes the file at its path."""

    def close(self) -> None:
        """Lets go of open files, finished or not."""


class Decoder(Protocol):
    """Reads rows from one file, again and again."""

    def blocks(self, ask: Ask) -> Iterator[list[Any]]:
        """The rows asked for, in lists of some length."""

    def batches(self, ask: Ask, rows: int) -> Iterator[pa.RecordBatch]:
        """The rows asked for as Arrow record batches of at most `rows` rows, all of the one schema."""

    def schema(self) -> pa.Schema:
        """The names and types of the whole file, whatever is asked of it."""

    def length(self) -> int | None:
        """The number of rows if it is written in the file, else None."""


@dataclass(frozen=True, slots=True)
class Format:
    """One file format: its name, its suffixes, how to write and how to read it.

    `encoder` is called with the path to write and the options; `decoder` with the path to read and the
    options. `codecs` are the compressions it takes: "file" formats are compressed as a whole (`.gz`,
    `.zst` suffixes).
    """

    name: str
    suffixes: tuple[str, ...]
    encoder: Callable[[Path, WriteOptions], Encoder]
    decoder: Callable[[Path, ReadOptions], Decoder]
    codecs: tuple[str, ...] = ("gzip", "zstd")
    whole_file_codec: bool = True
    default_codec: str | None = None
    can_append: bool = False
    can_declare: bool = True


# Modules, not formats: a format's module, and with it pyarrow, is loaded when the format is first used.
_BUILT_IN = {
    "jsonl": "queuack_stream.formats.jsonl",
    "csv": "queuack_stream.formats.csv",
    "parquet": "queuack_stream.formats.parquet",
    "arrow": "queuack_stream.formats.arrow",
    "pickle": "queuack_stream.formats.pickle",
}
_SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".pickle": "pickle",
    ".pkl": "pickle",
}
_CODEC_SUFFIXES = {".gz": "gzip", ".zst": "zstd"}
_CODEC_NAMES = {"gz": "gzip", "zst": "zstd"}
_added: dict[str, Format] = {}  # formats of others; a process adds them once, when it starts


def register_format(new: Format) -> None:
    """Adds a format for this process, under its name and suffixes.

    Raises:
        UnknownFormatError: its name or one of its suffixes is taken by another format.
    """
    for suffix in new.suffixes:
        taken = _SUFFIXES.get(suffix, new.name)
        if taken != new.name or suffix in _CODEC_SUFFIXES:
            raise UnknownFormatError(f"suffix {suffix!r} of format {new.name!r} already belongs to {taken!r}")
    if new.name in _BUILT_IN:
        raise UnknownFormatError(f"format {new.name!r} is built in; choose another name")
    _added[new.name] = new
    _SUFFIXES.update(dict.fromkeys(new.suffixes, new.name))


def find_format(
    path: str | os.PathLike[str], name: str | None, codec: str | None
) -> tuple[Format, str | None]:
    """The format and codec of a path: what is given, else what its suffixes say.

    Raises:
        UnknownFormatError: neither says a format, or the format doesn't take the codec.
    """
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    by_suffix = _CODEC_SUFFIXES.get(suffixes[-1]) if suffixes else None
    if by_suffix:
        suffixes.pop()
    if name is None:
        name = _SUFFIXES.get(suffixes[-1]) if suffixes else None
        if name is None:
            raise UnknownFormatError(
                f"{os.fspath(path)!r} doesn't say its format; known are {', '.join(sorted(_SUFFIXES))}"
                " (and .gz or .zst after them), or give format=, one of " + ", ".join(_names())
            )
    found = _load(name)
    return found, _codec(found, codec, by_suffix)


def _load(name: str) -> Format:
    if name in _added:
        return _added[name]
    if name not in _BUILT_IN:
        raise UnknownFormatError(f"format {name!r} is not known; known are {', '.join(_names())}")
    found: Format = import_module(_BUILT_IN[name]).FORMAT
    return found


def _names() -> list[str]:
    return sorted({*_BUILT_IN, *_added})


def _codec(found: Format, asked: str | None, by_suffix: str | None) -> str | None:
    if by_suffix and not found.whole_file_codec:
        raise UnknownFormatError(
            f"{found.name} files are compressed inside; drop the last suffix, give compression={by_suffix!r}"
        )
    if asked is None:
        return by_suffix or found.default_codec
    asked = _CODEC_NAMES.get(asked.lower(), asked.lower())
    if asked == "none":
        return None
    if asked not in found.codecs:
        raise UnknownFormatError(
            f"{found.name} has no compression {asked!r}; it takes {', '.join(found.codecs)} or 'none'"
        )
    return asked
