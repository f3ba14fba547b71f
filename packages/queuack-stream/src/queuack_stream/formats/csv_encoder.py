"""Rows → CSV: encoded as JSON arrays, which are CSV but for their brackets if no field needs quotes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec

from queuack_stream.bytestreams import ends_midline, open_to_read, open_to_write
from queuack_stream.errors import RowError
from queuack_stream.formats.base import DeclaredEncoder
from queuack_stream.formats.csv_parsing import parse
from queuack_stream.formats.json_values import REFUSALS, slow_json, unusual
from queuack_stream.registry import Encoder, WriteOptions

_json = msgspec.json.Encoder(enc_hook=unusual)
_HINT = "Yield dicts with text keys, or write JSONL or pickle."


class CsvEncoder:
    """Writes rows under a header; a column that appears later makes the file be written anew at the end."""

    def __init__(self, path: Path, options: WriteOptions) -> None:
        self._path = path
        self._codec = options.compression
        self._names: list[str] = list(options.schema.names) if options.schema is not None else []
        self._closed = options.schema is not None
        self._header: list[str] = []  # what stands in the file
        if options.append and path.exists() and path.stat().st_size:
            self._names = self._header = _read_header(path, options.compression)
            self._closed = True
        complete = options.append and options.compression is None and path.exists() and ends_midline(path)
        self._file = open_to_write(path, options.compression, append=options.append)
        self._rows = 0
        self._append = options.append
        if complete:
            self._file.write(b"\n")
        if self._closed and not self._header:
            self._write_header(self._names)

    def write(self, rows: list[Any]) -> int:
        """Writes the rows, one record each."""
        fast = self._names and self._encode(rows)
        encoded = fast or self._encode_slowly(rows)
        self._file.write(encoded)
        self._rows += len(rows)
        return len(encoded)

    def finish(self) -> None:
        """Completes the file, with all columns in its header."""
        self._file.close()
        if self._header != self._names:
            widen(self._path, self._codec, self._names)

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def _write_header(self, names: list[str]) -> None:
        self._header = list(names)
        self._file.write(",".join(map(_quoted, names)).encode() + b"\n")

    def _encode(self, rows: list[Any]) -> bytes | None:
        """The records by the fast encoder, or None where a value needs a look of its own."""
        count = len(self._names)
        try:
            if sum(map(len, rows)) != len(rows) * count:
                return None
            values = list(map(itemgetter(*self._names), rows))
            text = _json.encode(values if count > 1 else [(value,) for value in values])
        except (KeyError, IndexError, *REFUSALS):
            return None
        # Null (None, NaN), nested values and escapes look different in CSV; a comma may be a text's own.
        if b"null" in text or b"\\" in text or b"{" in text or text.count(b"[") != len(rows) + 1:
            return None
        if b'""' in text or text.count(b",") != len(rows) * count - 1:
            return None
        return text[2:-2].replace(b"],[", b"\n").replace(b'"', b"") + b"\n"

    def _encode_slowly(self, rows: list[Any]) -> bytes:
        records = []
        for at, row in enumerate(rows):
            number = self._rows + at
            if not isinstance(row, Mapping) or not row:
                raise RowError(number, None, row, "a row must be a dict with at least one column", _HINT)
            for name in row:
                if name not in self._names:
                    self._open(name, row, number)
            if not self._header:
                self._write_header(self._names)
            record = ",".join([_cell(row.get(name), name, number) for name in self._names])
            records.append(record or '""')  # one empty field would be a blank line, which readers skip
        try:
            return "\n".join([*records, ""]).encode()
        except UnicodeEncodeError:
            raise self._not_unicode(rows) from None

    def _open(self, name: Any, row: Mapping[Any, Any], number: int) -> None:
        if not isinstance(name, str):
            raise RowError(number, repr(name), row[name], "a column's name must be a string", _HINT)
        if self._closed:
            why = f"the file's header has no such column; it has {self._names}"
            raise RowError(number, name, row[name], why, "Leave it out, or write a new file.")
        self._names.append(name)

    def _not_unicode(self, rows: list[Any]) -> RowError:
        for at, row in enumerate(rows):
            for name, value in row.items():
                try:
                    _cell(value, name, at).encode()
                except UnicodeEncodeError as error:
                    return RowError(
                        self._rows + at, name, value, f"it is not Unicode text ({error.reason})", _HINT
                    )
        return RowError(self._rows, None, rows[0], "a column's name is not Unicode text", _HINT)


def _cell(value: Any, name: str, number: int) -> str:
    if value is None:
        return ""
    if type(value) is str:
        return _quoted(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return repr(float(value))
    try:
        text = _json.encode(value)
    except REFUSALS:
        try:
            text = slow_json(value)
        except REFUSALS as error:
            hint = "Convert it in the generator, or write pickle."
            raise RowError(number, name, value, f"CSV has no form for it ({error})", hint) from error
    if text[:1] == b'"':
        return _quoted(msgspec.json.decode(text))
    return "" if text == b"null" else _quoted(text.decode())


def _quoted(text: str) -> str:
    if text and not any(mark in text for mark in ',"\n\r'):
        return text
    return '"' + text.replace('"', '""') + '"'


def _read_header(path: Path, codec: str | None) -> list[str]:
    with open_to_read(path, codec) as source:
        text = io.TextIOWrapper(source, "utf-8-sig", newline="")
        return next(parse(text), [])


def widen(path: Path, codec: str | None, names: list[str]) -> None:
    """Writes the file anew with all names in the header and empty fields where a record has none.

    Records written before a column appeared have fewer fields than the header; a line end within quotes is
    not the end of one.
    """
    old = path.with_name("narrow")
    path.rename(old)
    with open_to_read(old, codec) as source, open_to_write(path, codec, append=False) as sink:
        sink.write(",".join(map(_quoted, names)).encode() + b"\n")
        text = io.TextIOWrapper(source, "utf-8", newline="")
        reader = parse(text)
        next(reader)
        for record in reader:
            cells = [*record, *[""] * (len(names) - len(record))]
            sink.write((",".join(map(_requoted, cells)) + "\n").encode())
    old.unlink()


def _requoted(text: str) -> str:
    return _quoted(text) if text else ""


def encoder_for(path: Path, options: WriteOptions) -> Encoder:
    """The CSV encoder, which with a schema holds rows to it."""
    plain = CsvEncoder(path, options)
    return plain if options.schema is None else DeclaredEncoder(plain, options.schema)
