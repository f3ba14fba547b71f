"""Which format a path means, its options, the registry, and what the files hold byte by byte."""

import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from queuack_stream import Format, StreamReader, StreamWriter, UnknownFormatError, register_format
from queuack_stream.formats.base import RowDecoder
from queuack_stream.pace import MOST_ROWS, Pace
from queuack_stream.sizes import parse_size

ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a.jsonl", "jsonl"),
        ("a.ndjson", "jsonl"),
        ("a.csv", "csv"),
        ("a.PARQUET", "parquet"),
        ("a.pq", "parquet"),
        ("a.arrow", "arrow"),
        ("a.feather", "arrow"),
        ("a.ipc", "arrow"),
        ("a.pkl", "pickle"),
        ("a.b.csv.GZ", "csv"),
    ],
)
def test_the_suffix_says_the_format(tmp_path, name, wanted):
    writer = StreamWriter(str(tmp_path / name))
    assert writer.write(ROWS) == 2
    reader = StreamReader(tmp_path / name)
    assert writer.format == reader.format == wanted
    assert [row["b"] for row in reader] == ["x", "y"]


def test_a_given_format_wins(tmp_path):
    StreamWriter(tmp_path / "data.txt", "csv").write(ROWS)
    assert (tmp_path / "data.txt").read_text() == "a,b\n1,x\n2,y\n"
    StreamWriter(tmp_path / "data", format="jsonl", compression="gz").write(ROWS)
    with gzip.open(tmp_path / "data") as file:
        assert file.read() == b'{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n'
    assert list(StreamReader(tmp_path / "data", "jsonl", compression="gzip")) == ROWS


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("a.xyz", {}, "known are"),
        ("a", {}, "known are"),
        ("a.gz", {}, "known are"),
        ("a.csv", {"format": "xml"}, "'xml' is not known"),
        ("a.csv", {"compression": "rar"}, "rar"),
        ("a.parquet.gz", {}, "compressed inside"),
        ("a.csv", {"max_buffer": "lots"}, "not a size"),
        ("a.csv", {"max_buffer": 0}, "not a size"),
        ("a.parquet", {"row_group_rows": 0}, "row_group_rows"),
        ("a.pickle", {"schema": {"a": int}}, "schema"),
    ],
)
def test_unknown_things_are_named(tmp_path, name, options, match):
    with pytest.raises(UnknownFormatError, match=match):
        StreamWriter(tmp_path / name, **options)
    with pytest.raises(ValueError, match=match):
        StreamWriter(tmp_path / name, **options)


@pytest.mark.parametrize("codec", ["zstd", "snappy", "gzip", "lz4", "brotli", "none", None])
def test_parquet_codecs_and_row_groups(tmp_path, codec):
    path = tmp_path / "a.parquet"
    StreamWriter(path, compression=codec, row_group_rows=100).write(
        {"a": i, "b": str(i)} for i in range(1000)
    )
    meta = pq.ParquetFile(path).metadata
    assert meta.num_row_groups == 10
    wanted = {"none": "UNCOMPRESSED", None: "ZSTD"}.get(codec, str(codec).upper())
    assert meta.row_group(0).column(0).compression.startswith(wanted)
    assert sum(row["a"] for row in StreamReader(path)) == 499_500


def test_row_groups_end_by_bytes_too(tmp_path):
    path = tmp_path / "a.parquet"
    StreamWriter(path, max_buffer="1MB").write({"a": bytes([i]) * 300_000} for i in range(20))
    assert pq.ParquetFile(path).num_row_groups >= 10
    assert [row["a"][0] for row in StreamReader(path)] == list(range(20))


def test_csv_quotes_only_what_needs_it(tmp_path):
    rows = [
        {"a": "plain", "b": 1, "c": None},
        {"a": "co,mma", "b": 2.5, "c": True},
        {"a": 'quo"te', "b": [1, "x"], "c": ""},
    ]
    StreamWriter(tmp_path / "a.csv").write(rows)
    text = 'a,b,c\nplain,1,\n"co,mma",2.5,true\n"quo""te","[1,""x""]",""\n'
    assert (tmp_path / "a.csv").read_text() == text


def test_json_that_others_wrote(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": NaN}\r\n\n  {"a": "\\ud800"}\n{"a": 1e400}')
    found = [row["a"] for row in StreamReader(path)]
    assert str(found[0]) == "nan"
    assert found[1] == "\ud800"


def test_json_lines_hold_any_json_and_odd_keys(tmp_path):
    rows = [1, None, "x", [1, {"a": 2}], {1: "one", None: "no"}, {"s": "\ud800"}]
    StreamWriter(tmp_path / "a.jsonl").write(rows)
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == list(StreamReader(tmp_path / "a.jsonl"))
    assert list(StreamReader(tmp_path / "a.jsonl"))[:4] == rows[:4]


class _Lines(RowDecoder):
    def __init__(self, path, options):
        super().__init__(str(path), options.schema, options.max_buffer)
        self._path = path

    def blocks(self, ask):
        yield ask.apply([{"line": line} for line in self._path.read_text().splitlines()])


class _LinesEncoder:
    def __init__(self, path, options):
        self._file = open(path, "w")  # noqa: SIM115 - closed by finish
        self.finish = self.close = self._file.close

    def write(self, rows):
        return self._file.write("".join(row["line"] + "\n" for row in rows))


def test_a_sixth_format_is_one_small_file(tmp_path):
    lines = Format("lines", (".lines",), _LinesEncoder, _Lines, codecs=(), whole_file_codec=False)
    register_format(lines)
    path = tmp_path / "a.lines"
    StreamWriter(path).write([{"line": "x"}, {"line": "y"}])
    assert list(StreamReader(path).where("line", ">", "x")) == [{"line": "y"}]
    assert StreamReader(path).to_arrow().to_pylist() == [{"line": "x"}, {"line": "y"}]
    for bad in (
        Format("csv", (".c",), _LinesEncoder, _Lines),
        Format("other", (".csv",), _LinesEncoder, _Lines),
    ):
        with pytest.raises(UnknownFormatError):
            register_format(bad)


def test_every_built_in_format_knows_its_suffixes():
    from importlib import import_module

    from queuack_stream import registry

    for name, module in registry._BUILT_IN.items():
        found = import_module(module).FORMAT
        assert found.name == name
        assert {suffix for suffix, owner in registry._SUFFIXES.items() if owner == name} == set(
            found.suffixes
        )


def test_sizes():
    assert [parse_size(size) for size in (5, "5", "16MB", "1 KiB", "0.5gb")] == [
        5,
        5,
        16_000_000,
        1024,
        500_000_000,
    ]
    for bad in (0, -1, True, "", "MB", "5XB", None, 1.5):
        with pytest.raises(UnknownFormatError):
            parse_size(bad)


def test_pace_grows_while_rows_are_small_and_falls_at_once():
    pace = Pace(16_000_000)
    assert pace.rows == 1
    for _ in range(10):
        pace.note(pace.rows, pace.rows * 100)
    assert pace.rows == MOST_ROWS
    pace.note(pace.rows, pace.rows * 10_000_000)
    assert pace.rows == 1
    pace.note(1, 1_000_000)
    assert pace.rows == 2


def test_no_file_is_called_like_an_export():
    import queuack_stream

    modules = {path.stem for path in Path(queuack_stream.__file__).parent.rglob("*.py")}
    assert not modules & set(queuack_stream.__all__)


def test_pace_sees_rows_that_grew():
    pace = Pace(16_000_000)
    small = [{"a": 1, "b": "x"}] * MOST_ROWS
    assert not pace.overshot(small)
    assert pace.overshot([*small, {"a": 1, "b": "x" * 1_000_000}])
    assert not pace.overshot([{"b": "x" * 1_000_000}])  # one row is never too many
    assert not pace.overshot(["any object"] * MOST_ROWS)
