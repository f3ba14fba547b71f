"""JSON lines: one JSON value a line, any JSON value; compressed as a whole if at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from queuack_stream.asking import Ask
from queuack_stream.bytestreams import ends_midline, open_to_read, open_to_write, whole_lines
from queuack_stream.errors import CorruptFileError, RowError, shown
from queuack_stream.formats.base import DeclaredEncoder, RowDecoder, declared_values
from queuack_stream.formats.json_values import REFUSALS, slow_json, unusual
from queuack_stream.registry import Encoder, Format, ReadOptions, WriteOptions

_BLOCK = 1 << 16  # larger blocks hold more rows at once and are no faster

_encoder = msgspec.json.Encoder(enc_hook=unusual)
_decoder = msgspec.json.Decoder()


class JsonlEncoder:
    """Writes rows as they come; nothing is held but the operating system's buffer."""

    def __init__(self, path: Path, options: WriteOptions) -> None:
        complete = options.append and options.compression is None and path.exists() and ends_midline(path)
        self._file = open_to_write(path, options.compression, append=options.append)
        self._rows = 0
        if complete:
            self._file.write(b"\n")

    def write(self, rows: list[Any]) -> int:
        """Writes the rows, one a line."""
        try:
            encoded = _encoder.encode_lines(rows)
        except REFUSALS:
            encoded = b"".join(self._encode_one(row, self._rows + at) for at, row in enumerate(rows))
        self._file.write(encoded)
        self._rows += len(rows)
        return len(encoded)

    def finish(self) -> None:
        """Completes the file."""
        self._file.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def _encode_one(self, row: Any, number: int) -> bytes:
        for encode in (_encoder.encode, slow_json):
            try:
                return encode(row) + b"\n"
            except REFUSALS as error:
                refusal = error
        column, value = _culprit(row)
        hint = "Convert it in the generator, or write pickle."
        raise RowError(number, column, value, f"JSON has no form for it ({refusal})", hint) from refusal


def _culprit(row: Any) -> tuple[str | None, Any]:
    for name, value in row.items() if isinstance(row, dict) else ():
        try:
            slow_json({name: value})
        except REFUSALS:
            return str(name), value
    return None, row


class JsonlDecoder(RowDecoder):
    """Reads blocks of whole lines, each decoded in one call; looks for a bad line only if there is one."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        super().__init__(str(path), options.schema, options.max_buffer)
        self._path = path
        self._codec = options.compression
        self._readers = declared_values(options.schema)

    def blocks(self, ask: Ask) -> Iterator[list[Any]]:
        """The rows asked for; lines that are not JSON raise CorruptFileError after the rows before them."""
        line = 1
        with open_to_read(self._path, self._codec) as source:
            for block in whole_lines(source, self._path, _BLOCK):
                error: CorruptFileError | None = None
                try:
                    rows = _decoder.decode_lines(block)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    rows, error = self._by_line(block, line)
                yield from self._finish(rows, ask, line)
                if error is not None:
                    raise error
                line += block.count(b"\n")

    def _finish(self, rows: list[Any], ask: Ask, line: int) -> Iterator[list[Any]]:
        error: CorruptFileError | None = None
        if self._readers:
            error = self._read_values(rows, line)
        yield ask.apply(rows) if ask.tests or ask.columns else rows
        if error is not None:
            raise error

    def _by_line(self, block: bytes, first: int) -> tuple[list[Any], CorruptFileError | None]:
        rows = []
        for at, text in enumerate(block.split(b"\n")):
            if not text.strip():
                continue
            try:
                rows.append(_decode_one(text))
            except (ValueError, RecursionError) as error:
                place = f"line {first + at}"
                return rows, CorruptFileError(str(self._path), place, f"it is not JSON ({error})")
        return rows, None

    def _read_values(self, rows: list[Any], line: int) -> CorruptFileError | None:
        """Gives declared columns their types in place; cuts the rows off before one that doesn't fit."""
        for at, row in enumerate(rows):
            name = ""
            try:
                for name, read in self._readers.items():
                    if name in row:
                        row[name] = read(row[name])
            except (ValueError, TypeError, ArithmeticError, AttributeError) as error:
                del rows[at:]
                place = f"about line {line + at}, column {name!r}"
                value = shown(row.get(name) if isinstance(row, dict) else row)
                return CorruptFileError(str(self._path), place, f"{value} doesn't fit schema= ({error})")
        return None


def _decode_one(text: bytes) -> Any:
    """One line; the standard library also takes what others write: NaN, Infinity, lone surrogates."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(text)


def _encoder_for(path: Path, options: WriteOptions) -> Encoder:
    plain = JsonlEncoder(path, options)
    return plain if options.schema is None else DeclaredEncoder(plain, options.schema)


FORMAT = Format(
    name="jsonl", suffixes=(".jsonl", ".ndjson"), encoder=_encoder_for, decoder=JsonlDecoder, can_append=True
)
