"""CSV by RFC 4180 with a header; reading gives text unless a schema says otherwise."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from queuack_stream.asking import Ask
from queuack_stream.bytestreams import open_to_read, whole_lines
from queuack_stream.columns.dicts import build_rows
from queuack_stream.errors import CorruptFileError, QueryError, shown
from queuack_stream.formats.base import RowDecoder, declared_values
from queuack_stream.formats.csv_encoder import encoder_for
from queuack_stream.formats.csv_parsing import parse
from queuack_stream.registry import Format, ReadOptions

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 1 << 16
_CSV_ROWS = 512  # rows taken at a time where the standard library's parser is needed
_BOM = b"\xef\xbb\xbf"


class CsvDecoder(RowDecoder):
    """Reads blocks of whole lines: by splitting if no field is quoted, else by the standard parser."""

    _closed = True

    def __init__(self, path: Path, options: ReadOptions) -> None:
        super().__init__(str(path), None, options.max_buffer)
        self._path = path
        self._codec = options.compression
        self._types = options.schema
        self._readers = declared_values(options.schema, blank_is_none=True)

    def schema(self) -> pa.Schema:
        """The header's names; a column is text where the reader's schema doesn't say otherwise."""
        if self._learned is None:
            import pyarrow as pa

            with open_to_read(self._path, self._codec) as source:
                names, _, _ = self._head(whole_lines(source, self._path, _BLOCK))
            kinds = {field.name: field for field in self._types or ()}
            self._check_declared(names)
            self._learned = pa.schema([kinds.get(name) or pa.field(name, pa.string()) for name in names])
        return self._learned

    def blocks(self, ask: Ask) -> Iterator[list[Any]]:
        """The rows asked for; a row of too few or too many fields raises CorruptFileError."""
        with open_to_read(self._path, self._codec) as source:
            lines = whole_lines(source, self._path, _BLOCK)
            names, rest, line = self._head(lines)
            self._check_declared(names)
            if names or rest:
                ask.check(names)
                self._check_texts(ask)
            for first, columns, count in self._columns(names, rest, lines, line):
                yield from self._rows(names, columns, count, ask, first)

    def _head(self, lines: Iterator[bytes]) -> tuple[tuple[str, ...], bytes, int]:
        """The header's names, what is left of its block, and the number of the line after it."""
        block = next(lines, b"").removeprefix(_BOM)
        end = block.find(b"\n") + 1 or len(block)
        while block[:end].count(b'"') % 2 and end < len(block):  # a name with a line end in it
            end = block.find(b"\n", end) + 1 or len(block)
        head = self._decode(block[:end], 1)
        names = tuple(next(parse(io.StringIO(head, newline="")), []))
        if len(set(names)) != len(names):
            raise CorruptFileError(str(self._path), "line 1", f"the header names a column twice: {names}")
        return names, block[end:], 1 + head.count("\n")

    def _check_declared(self, names: tuple[str, ...]) -> None:
        if names:
            Ask(tuple(self._readers) or None).check(names)

    def _check_texts(self, ask: Ask) -> None:
        """Refuses to compare text with what is none, which would never match and say nothing."""
        for test in ask.tests:
            values = test.value if isinstance(test.value, list) else [test.value]
            if test.column not in self._readers and not all(isinstance(value, str) for value in values):
                raise QueryError(
                    f"where({test.column!r}, {test.op!r}, {shown(test.value)}): a CSV column is text;"
                    " compare with text, or give the reader a schema="
                )

    def _columns(
        self, names: tuple[str, ...], rest: bytes, lines: Iterator[bytes], line: int
    ) -> Iterator[tuple[int, list[Any], int]]:
        """(line, columns, rows) of each block."""
        block: bytes | None = rest
        while block is not None:
            if block:
                columns = (
                    split_columns(block, len(names))
                    if b'"' not in block and b"\r" not in block[:-2]
                    else None
                )
                if columns is None and (b"\r" in block and b'"' not in block):
                    columns = split_columns(block.replace(b"\r\n", b"\n"), len(names))
                if columns is not None:
                    yield line, columns, len(columns[0])
                else:
                    if block.count(b'"') % 2:  # a quoted field goes on in the next block: read on from here
                        yield from self._parse(names, _Text(self, block, lines, line), line)
                        return
                    yield from self._parse(names, _Text(self, block, iter(()), line), line)
                line += block.count(b"\n")
            block = next(lines, None)

    def _parse(self, names: tuple[str, ...], text: _Text, first: int) -> Iterator[tuple[int, list[Any], int]]:
        parser = parse(text)
        rows: list[list[str]] = []
        error: CorruptFileError | None = None
        line = first
        while error is None:
            try:
                for row in parser:
                    if len(row) != len(names):
                        if not row:
                            continue
                        error = self._uneven(row, names, first + parser.line_num - 1)
                        break
                    rows.append(row)
                    if len(rows) == _CSV_ROWS:
                        break
                else:
                    break
            except csv.Error as problem:
                error = CorruptFileError(str(self._path), f"line {first + parser.line_num - 1}", f"{problem}")
            except CorruptFileError as problem:
                error = problem
            if rows:
                yield line, list(zip(*rows, strict=True)), len(rows)
            rows, line = [], first + parser.line_num
        if rows:
            yield line, list(zip(*rows, strict=True)), len(rows)
        if error is not None:
            raise error

    def _uneven(self, row: list[str], names: tuple[str, ...], line: int) -> CorruptFileError:
        why = f"the row has {len(row)} fields and the header {len(names)}"
        return CorruptFileError(str(self._path), f"line {line}", why)

    def _rows(
        self, names: tuple[str, ...], columns: list[Any], count: int, ask: Ask, line: int
    ) -> Iterator[list[Any]]:
        error: CorruptFileError | None = None
        tested = {test.column for test in ask.tests}
        wanted = [
            at
            for at, name in enumerate(names)
            if ask.columns is None or name in ask.columns or name in tested
        ]
        good = count
        for at in wanted:
            read = self._readers.get(names[at])
            if read is not None:
                columns[at], problem = self._read_values(names[at], read, columns[at][:good], line)
                if problem is not None:
                    good, error = len(columns[at]), problem
        kept = tuple(names[at] for at in wanted)
        rows = build_rows(kept, [columns[at][:good] if good < count else columns[at] for at in wanted])
        yield ask.apply(rows) if ask.tests or ask.columns else rows
        if error is not None:
            raise error

    def _read_values(
        self, name: str, read: Any, values: Any, line: int
    ) -> tuple[list[Any], CorruptFileError | None]:
        try:
            return list(map(read, values)), None
        except (ValueError, TypeError, ArithmeticError, AttributeError):
            pass
        good: list[Any] = []
        for value in values:
            try:
                good.append(read(value))
            except (ValueError, TypeError, ArithmeticError, AttributeError) as error:
                place = f"about line {line + len(good)}, column {name!r}"
                return good, CorruptFileError(
                    str(self._path), place, f"{shown(value)} doesn't fit schema= ({error})"
                )
        return good, None

    def _decode(self, block: bytes, line: int) -> str:
        try:
            return block.decode()
        except UnicodeDecodeError as error:
            line += block[: error.start].count(b"\n")
            raise CorruptFileError(str(self._path), f"line {line}", f"it is not UTF-8 ({error})") from error


class _Text:
    """The lines of a block, and of those after it, for the standard library's parser."""

    def __init__(self, decoder: CsvDecoder, block: bytes, more: Iterator[bytes], line: int) -> None:
        self._lines = self._read(decoder, block, more, line)

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def _read(self, decoder: CsvDecoder, block: bytes, more: Iterator[bytes], line: int) -> Iterator[str]:
        while True:
            yield from io.StringIO(decoder._decode(block, line), newline="")
            line += block.count(b"\n")
            following = next(more, None)
            if following is None:
                return
            block = following


def split_columns(block: bytes, count: int) -> list[list[str]] | None:
    """The columns of lines without quotes, or None where a line is empty or has another number of fields.

    All fields are split in one call, with a line end as a field of its own after each row: where each of
    these is in its place, every row has the right number of fields.
    """
    try:
        text = block.decode()
    except UnicodeDecodeError:
        return None
    if text[-1] != "\n":
        text += "\n"
    if count == 1 and (text[0] == "\n" or "\n\n" in text):
        return None
    flat = text.replace("\n", ",\n,").split(",")
    flat.pop()
    ends = flat[count :: count + 1]
    if not count or len(flat) != len(ends) * (count + 1) or ends.count("\n") != len(ends):
        return None
    return [flat[at :: count + 1] for at in range(count)]


FORMAT = Format(name="csv", suffixes=(".csv",), encoder=encoder_for, decoder=CsvDecoder, can_append=True)
