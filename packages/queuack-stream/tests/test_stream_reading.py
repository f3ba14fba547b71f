"""More than rows: batches, columns, conditions, lengths, SQL and frames."""

import datetime as dt
import gc
import os
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from queuack_stream import (
    CorruptFileError,
    LengthUnknownError,
    MissingLibraryError,
    QueryError,
    SchemaError,
    StreamReader,
    StreamWriter,
    UntrustedFileError,
)

ALL = ["jsonl", "csv", "parquet", "arrow", "pickle", "jsonl.zst", "csv.gz"]
TYPES = {"id": int, "name": str, "half": float}
ROWS = [{"id": i, "name": f"n{i % 7}", "half": i / 2 if i % 5 else None} for i in range(10_000)]


def reader_of(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    StreamWriter(path, row_group_rows=1000).write(ROWS)
    declared = {"schema": TYPES} if suffix.startswith(("csv", "jsonl")) else {}
    return StreamReader(path, **declared)


@pytest.mark.parametrize("suffix", ALL)
def test_a_reader_reads_again_and_again(tmp_path, suffix):
    reader = reader_of(tmp_path, suffix)
    first = iter(reader)
    assert [next(first), next(first)] == ROWS[:2]
    assert list(reader) == list(reader) == ROWS
    assert reader


@pytest.mark.parametrize("suffix", ALL)
def test_batches(tmp_path, suffix):
    reader = reader_of(tmp_path, suffix)
    batches = list(reader.batches(3000))
    assert [batch.num_rows for batch in batches] == [3000, 3000, 3000, 1000]
    assert all(isinstance(batch, pa.RecordBatch) and batch.schema == reader.schema for batch in batches)
    assert pa.Table.from_batches(batches).to_pylist() == ROWS
    assert reader.to_arrow().to_pylist() == ROWS
    assert [field.type for field in reader.schema] == [pa.int64(), pa.string(), pa.float64()]


@pytest.mark.parametrize("suffix", ALL)
def test_batches_end_by_bytes_too(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    rows = [{"id": str(i), "text": chr(97 + i % 26) * 400_000} for i in range(20)]
    StreamWriter(path, max_buffer="1MB" if suffix == "pickle" else "16MB").write(rows)
    batches = list(StreamReader(path, max_buffer="1MB").batches())
    assert max(batch.nbytes for batch in batches) < 2_000_000
    assert pa.Table.from_batches(batches).to_pylist() == rows


@pytest.mark.parametrize("suffix", ALL)
def test_select_and_where(tmp_path, suffix):
    reader = reader_of(tmp_path, suffix)
    some = reader.where("id", ">=", 2_500).where("name", "in", ["n1", "n2"]).where("half", "<", 2_000)
    wanted = [
        row
        for row in ROWS
        if row["id"] >= 2_500
        and row["name"] in ("n1", "n2")
        and row["half"] is not None
        and row["half"] < 2_000
    ]
    assert list(some) == wanted
    assert wanted
    columns = some.select("half", "id")
    assert list(columns) == [{"half": row["half"], "id": row["id"]} for row in wanted]
    assert columns.schema.names == ["half", "id"]
    assert pa.Table.from_batches(columns.batches(100)).to_pylist() == list(columns)
    assert list(reader) == ROWS  # a narrower reader leaves the first as it was


@pytest.mark.parametrize("suffix", ALL)
@pytest.mark.parametrize(
    ("op", "value", "count"),
    [
        ("==", 7, 1),
        ("!=", 7, 9_999),
        ("<", 7, 7),
        ("<=", 7, 8),
        (">", 9_990, 9),
        (">", 9_990.5, 9),
        ("in", [1, 2, -1], 2),
        ("not in", {1, 2}, 9_998),
    ],
)
def test_every_comparison(tmp_path, suffix, op, value, count):
    assert len(list(reader_of(tmp_path, suffix).where("id", op, value))) == count


def test_none_never_matches(tmp_path):
    for suffix in ALL:
        reader = reader_of(tmp_path, suffix)
        assert len(list(reader.where("half", "not in", [1.0]))) == 8_000 - 1 + 0
        assert len(list(reader.where("half", "!=", -1.0))) == 8_000


def test_parquet_leaves_row_groups_unread(tmp_path):
    """A damaged group is met only by who needs it."""
    path = tmp_path / "a.parquet"
    StreamWriter(path, row_group_rows=1000, compression="none").write(ROWS)
    data = bytearray(path.read_bytes())
    data[4:400] = bytes(396)
    path.write_bytes(data)
    assert list(StreamReader(path).where("id", ">", 8_000)) == ROWS[8_001:]


def test_parquet_leaves_no_row_unread_that_matches(tmp_path):
    path = tmp_path / "a.parquet"
    StreamWriter(path).write([{"a.b": 1, "a": {"b": 2}}])
    assert len(list(StreamReader(path).where("a.b", "==", 1))) == 1
    StreamWriter(path, schema={"f": "float32"}).write([{"f": 0.1}])
    assert len(list(StreamReader(path).where("f", "==", 0.1))) == 1


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_times_are_compared_whole(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    noon = dt.datetime(2024, 5, 1, 12)
    row = {"t": noon, "u": noon.replace(tzinfo=dt.UTC), "d": noon.date()}
    StreamWriter(path, schema={"t": pa.timestamp("ms"), "u": "timestamp_utc", "d": dt.date}).write([row])
    reader = StreamReader(path)
    later = noon + dt.timedelta(microseconds=5)
    assert [len(list(reader.where("t", op, later))) for op in ("==", ">=", "<")] == [0, 0, 1]
    assert [len(list(reader.where("t", op, noon))) for op in ("==", ">=", "<")] == [1, 1, 0]
    assert [len(list(reader.where("d", op, noon))) for op in ("==", "<")] == [0, 1]
    assert len(list(reader.where("u", "==", row["u"]))) == 1
    with pytest.raises(QueryError, match="tz=UTC"):
        list(reader.where("u", "==", noon))


@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow"])
def test_unknown_columns_are_refused(tmp_path, suffix):
    reader = reader_of(tmp_path, suffix)
    for asked in (reader.select("nope"), reader.where("nope", "==", 1)):
        with pytest.raises(QueryError, match="nope"):
            list(asked)


def test_questions_that_are_none(tmp_path):
    reader = reader_of(tmp_path, "parquet")
    for bad in (
        lambda: reader.where("id", "~", 1),
        lambda: reader.where("id", "==", None),
        lambda: reader.select(),
        lambda: reader.select("id", "id"),
        lambda: reader.select("id").select("name"),
        lambda: reader.batches(0),
        lambda: list(reader.where("id", ">", "text")),
        lambda: list(reader_of(tmp_path, "jsonl").where("id", ">", "text")),
    ):
        with pytest.raises(QueryError):
            bad()


def test_length_where_it_is_cheap(tmp_path):
    for suffix in ("parquet", "arrow"):
        reader = reader_of(tmp_path, suffix)
        assert len(reader) == len(reader.select("id")) == 10_000
        with pytest.raises(LengthUnknownError):
            len(reader.where("id", ">", 1))
    for suffix in ("jsonl", "csv", "pickle"):
        with pytest.raises(LengthUnknownError, match="by reading"):
            len(reader_of(tmp_path, suffix))


def test_json_lines_and_pickle_learn_their_schema(tmp_path):
    rows = [{"a": 1}, {"a": 2.5, "b": "x"}]
    for suffix in ("jsonl", "pickle"):
        StreamWriter(tmp_path / f"a.{suffix}").write(rows)
        reader = StreamReader(tmp_path / f"a.{suffix}")
        assert reader.schema == pa.schema([("a", pa.float64()), ("b", pa.string())])
        assert reader.to_arrow().to_pylist() == [{"a": 1.0, "b": None}, {"a": 2.5, "b": "x"}]


def test_csv_gives_text_unless_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbfid,when,note\r\n1,2024-05-01,"a ""b"""\r\n\r\n2,,\r\n')
    assert list(StreamReader(path)) == [
        {"id": "1", "when": "2024-05-01", "note": 'a "b"'},
        {"id": "2", "when": "", "note": ""},
    ]
    typed = StreamReader(path, schema={"id": int, "when": dt.date})
    assert list(typed) == [
        {"id": 1, "when": dt.date(2024, 5, 1), "note": 'a "b"'},
        {"id": 2, "when": None, "note": ""},
    ]
    with pytest.raises(CorruptFileError, match="column 'when'"):
        list(StreamReader(path, schema={"when": int}))
    with pytest.raises(QueryError, match="nope"):
        list(StreamReader(path, schema={"nope": int}))


def test_csv_text_is_not_compared_with_numbers(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id\n7\n8\n")
    for op, value in (("==", 7), ("!=", 7), ("<", 7), ("in", [7])):
        with pytest.raises(QueryError, match="schema="):
            list(StreamReader(path).where("id", op, value))
    assert list(StreamReader(path).where("id", "==", "7")) == [{"id": "7"}]


DECLARED = [
    (pa.map_(pa.string(), pa.date32()), [("a", dt.date(2024, 5, 1))]),
    (pa.list_(pa.int64(), 2), [1, None]),
    (pa.large_list(pa.binary()), [b"x", None]),
    (pa.binary(2), b"\x00\xff"),
    (pa.dictionary(pa.int32(), pa.int64()), 7),
    (pa.timestamp("us", "UTC"), dt.datetime(2024, 5, 1, 12, tzinfo=ZoneInfo("UTC"))),
    (pa.timestamp("us", "Europe/Berlin"), dt.datetime(2024, 5, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))),
    (pa.struct([("at", pa.timestamp("us")), ("b", pa.binary())]), {"at": dt.datetime(2024, 5, 1), "b": b""}),
]


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
@pytest.mark.parametrize(("kind", "value"), DECLARED, ids=lambda found: str(found)[:30])
def test_declared_types_come_back(tmp_path, suffix, kind, value):
    path = tmp_path / f"a.{suffix}"
    rows = [{"v": value}, {"v": None}]
    StreamWriter(path, schema={"v": kind}).write(rows)
    reader = StreamReader(path, schema={"v": kind})
    assert repr(list(reader)) == repr(rows)
    assert reader.to_arrow().equals(pa.table({"v": pa.array([value, None], kind)}))


def test_empty_bytes_are_bytes_in_json(tmp_path):
    StreamWriter(tmp_path / "a.jsonl").write([{"v": b""}, {"v": None}])
    found = list(StreamReader(tmp_path / "a.jsonl", schema={"v": bytes}))
    assert found == [{"v": b""}, {"v": None}]


@pytest.mark.parametrize(
    ("text", "kind"), [("2024-05-01T12:00Z", "timestamp"), ("2024-05-01", "timestamp_utc")]
)
def test_a_zone_is_neither_dropped_nor_guessed(tmp_path, text, kind):
    (tmp_path / "a.csv").write_text(f"v\n{text}\n")
    (tmp_path / "a.jsonl").write_text(f'{{"v":"{text}"}}\n')
    for suffix in ("csv", "jsonl"):
        with pytest.raises(CorruptFileError, match=f"column 'v': '{text}'"):
            list(StreamReader(tmp_path / f"a.{suffix}", schema={"v": kind}))


@pytest.mark.parametrize("text", ['{"v":1}\n{"v":500}\n', '{"v":1}\n{"v":2,"w":3}\n', '{"v":1}\n7\n'])
def test_rows_that_have_no_one_schema_are_named(tmp_path, text):
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises((SchemaError, CorruptFileError), match=r"a\.jsonl: .*(row 1|line 2)"):
        StreamReader(path, schema={"v": "int8"}).to_arrow()
    (tmp_path / "a.csv").write_text("v\n1\n500\n")
    with pytest.raises(SchemaError, match=r"a\.csv: row 1, .*value: 500"):
        StreamReader(tmp_path / "a.csv", schema={"v": "int8"}).to_arrow()


def test_values_that_share_no_column_can_still_be_read_as_rows(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"v":1}\n{"v":[2]}\n')
    with pytest.raises(SchemaError, match="row 1, column 'v'"):
        StreamReader(path).to_arrow()
    assert list(StreamReader(path)) == [{"v": 1}, {"v": [2]}]


def test_large_fields_in_quotes(tmp_path):
    rows = [{"a": 'x"' * 200_000, "b": "1"}, {"a": "\n" * 300_000, "b": "2"}]
    StreamWriter(tmp_path / "a.csv").write(rows)
    assert list(StreamReader(tmp_path / "a.csv")) == rows


@pytest.mark.parametrize("suffix", ALL)
def test_sql(tmp_path, suffix):
    pytest.importorskip("duckdb")
    reader = reader_of(tmp_path, suffix)
    found = reader.sql("select count(*), min(a.id), max(b.id) from stream a join stream b using (id)")
    gc.collect()
    assert found.fetchall() == [(10_000, 0, 9_999)]
    narrow = reader.where("id", "<", 10).select("id")
    assert narrow.sql("select sum(id) from stream").fetchall() == [(45,)]


@pytest.mark.parametrize("suffix", ALL)
def test_polars(tmp_path, suffix):
    polars = pytest.importorskip("polars")
    frame = reader_of(tmp_path, suffix).to_polars()
    assert isinstance(frame, polars.DataFrame)
    assert frame.to_dicts() == ROWS


def test_others_take_a_reader_as_it_is(tmp_path):
    reader = reader_of(tmp_path, "parquet")
    assert pa.table(reader).to_pylist() == ROWS
    polars = pytest.importorskip("polars")
    assert polars.DataFrame(reader).to_dicts() == ROWS


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    import sys

    reader = reader_of(tmp_path, "jsonl")
    for library, call in (("pandas", reader.to_pandas), ("polars", reader.to_polars)):
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(MissingLibraryError, match=f"pip install {library}"):
            call()
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingLibraryError, match="pip install duckdb"):
        reader.sql("select 1")


def test_pickle_is_opened_only_where_it_is_trusted(tmp_path):
    path = tmp_path / "a.pickle"
    StreamWriter(path).write([1, 2])
    assert list(StreamReader(path)) == [1, 2]
    with pytest.raises(UntrustedFileError, match="trusted=False"):
        StreamReader(path, trusted=False)
    os.chmod(path, 0o666)
    with pytest.raises(UntrustedFileError, match="everyone may write"):
        StreamReader(path)
    assert list(StreamReader(path, trusted=True)) == [1, 2]


def test_pickles_of_others(tmp_path):
    import pickle

    path = tmp_path / "a.pkl"
    with open(path, "wb") as file:
        for row in ([1], {"a": 2}, ("x", 3)):
            pickle.dump(row, file)
    assert list(StreamReader(path)) == [[1], {"a": 2}, ("x", 3)]


def test_a_missing_file(tmp_path):
    for suffix in ALL:
        with pytest.raises(FileNotFoundError):
            StreamReader(tmp_path / f"none.{suffix}")


def test_schemas_are_for_text_formats(tmp_path):
    for suffix in ("parquet", "arrow"):
        reader_of(tmp_path, suffix)
        with pytest.raises(SchemaError, match="carry their types"):
            StreamReader(tmp_path / f"a.{suffix}", schema=TYPES)


def test_arrow_streams_are_read_too(tmp_path):
    table = pa.table({"a": [1, 2, 3]})
    with pa.ipc.new_stream(str(tmp_path / "a.arrow"), table.schema) as stream:
        stream.write_table(table)
    reader = StreamReader(tmp_path / "a.arrow")
    assert list(reader) == table.to_pylist()
    with pytest.raises(LengthUnknownError):
        len(reader)
