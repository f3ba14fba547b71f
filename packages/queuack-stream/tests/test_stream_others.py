"""Files of other tools are read, and ours are read by them."""

import datetime as dt
import json

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from queuack_stream import SchemaError, StreamReader, StreamWriter
from queuack_stream.columns.wide import wide_integers

ROWS = [
    {
        "id": i,
        "name": f"n{i % 7}" if i % 3 else None,
        "half": i / 2,
        "even": i % 2 == 0,
        "when": dt.datetime(2024, 5, 1) + dt.timedelta(minutes=i),
        "day": dt.date(2024, 5, 1),
    }
    for i in range(5_000)
]
LISTS = [row | {"list": [row["id"], None], "struct": {"a": row["half"], "b": "x"}} for row in ROWS]
TEXT = [{"id": str(i), "name": f'a "quoted", {i}\nname', "u": "é"} for i in range(500)]


def test_polars_reads_ours(tmp_path):
    polars = pytest.importorskip("polars")
    StreamWriter(tmp_path / "a.parquet", row_group_rows=999).write(LISTS)
    assert polars.read_parquet(tmp_path / "a.parquet").to_dicts() == LISTS
    StreamWriter(tmp_path / "a.arrow", row_group_rows=999).write(LISTS)
    assert polars.read_ipc(tmp_path / "a.arrow").to_dicts() == LISTS
    StreamWriter(tmp_path / "a.csv").write(TEXT)
    assert polars.read_csv(tmp_path / "a.csv", infer_schema=False).to_dicts() == TEXT
    StreamWriter(tmp_path / "a.jsonl").write(TEXT)
    assert polars.read_ndjson(tmp_path / "a.jsonl").to_dicts() == TEXT


@pytest.mark.parametrize("write", ["write_ipc", "write_ipc_stream"])
def test_integers_too_wide_for_pyarrow_are_named(tmp_path, write):
    polars = pytest.importorskip("polars")
    wide = polars.Series([1, 2], dtype=polars.Int128)
    frame = polars.DataFrame({"a": [1, 2], "big": wide, "s": polars.DataFrame({"x": wide}).to_struct()})
    getattr(frame, write)(tmp_path / "a.arrow")
    with pytest.raises(SchemaError) as caught:
        list(StreamReader(tmp_path / "a.arrow"))
    assert "a.arrow: column 'big' (int128), column 's.x' (int128) is of a type" in str(caught.value)
    polars.DataFrame({"big": wide}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(SchemaError, match=r"a\.parquet: .* of a type that pyarrow can't read"):
        list(StreamReader(tmp_path / "a.parquet"))


def test_a_schema_that_is_damaged_names_no_wrong_column(tmp_path):
    path, names = tmp_path / "a.arrow", {"'a' (int128)", "'s.x' (int128)"}
    schema = pa.schema([("a", pa.int64()), ("s", pa.struct([("x", pa.int64())]))])
    stream = schema.serialize().to_pybytes()
    path.write_bytes(stream)
    assert wide_integers(path) == []
    made = stream.replace((64).to_bytes(4, "little"), (128).to_bytes(4, "little"))
    path.write_bytes(made)
    assert set(wide_integers(path)) == names
    for end in range(len(made)):
        path.write_bytes(made[:end])
        assert set(wide_integers(path)) <= names


def test_polars_files_are_read(tmp_path):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(LISTS)
    frame.write_parquet(tmp_path / "a.parquet", row_group_size=1000)
    assert list(StreamReader(tmp_path / "a.parquet")) == LISTS
    frame.write_ipc(tmp_path / "a.arrow", compression="zstd")
    assert list(StreamReader(tmp_path / "a.arrow")) == LISTS
    polars.DataFrame(TEXT).write_csv(tmp_path / "a.csv")
    assert list(StreamReader(tmp_path / "a.csv")) == TEXT
    polars.DataFrame(TEXT).write_ndjson(tmp_path / "a.jsonl")
    assert list(StreamReader(tmp_path / "a.jsonl")) == TEXT


def test_duckdb_reads_ours(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    StreamWriter(tmp_path / "a.parquet", row_group_rows=999).write(LISTS)
    StreamWriter(tmp_path / "a.csv").write(TEXT)
    StreamWriter(tmp_path / "a.jsonl").write(TEXT)

    def ask(query, name):
        return duckdb.connect().sql(query.format(str(tmp_path / name))).fetchall()

    assert ask("select * from read_parquet('{}') order by id", "a.parquet") == [
        tuple(row.values()) for row in LISTS
    ]
    wanted = [tuple(row.values()) for row in TEXT]
    assert ask("select * from read_csv('{}', all_varchar=true, header=true)", "a.csv") == wanted
    assert ask("select id, name, u from read_json('{}')", "a.jsonl")[0][1:] == wanted[0][1:]


def test_duckdb_files_are_read(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    query = "select range::bigint as id, 'n' || range as name, range / 2 as half from range(5000)"
    connection = duckdb.connect()
    for suffix, options in (("parquet", ""), ("csv", "(header)"), ("jsonl", "(format json)")):
        path = str(tmp_path / f"a.{suffix}")
        connection.execute(f"copy ({query}) to '{path}' {options}")
        found = list(StreamReader(path, schema={"id": int, "half": float} if suffix != "parquet" else None))
        assert found == [{"id": i, "name": f"n{i}", "half": i / 2} for i in range(5000)]


@pytest.mark.parametrize(
    "settings", [{}, {"use_dictionary": False, "compression": "none"}, {"data_page_version": "2.0"}]
)
def test_pyarrow_files_are_read(tmp_path, settings):
    narrow = [
        pa.field("i8", pa.int8()),
        pa.field("u64", pa.uint64()),
        pa.field("f32", pa.float32()),
        pa.field("large", pa.large_string()),
        pa.field("word", pa.dictionary(pa.int16(), pa.string())),
        pa.field("ns", pa.timestamp("ms", "UTC")),
        pa.field("fixed", pa.list_(pa.int64(), 2)),
    ]
    when = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
    rows = [
        {"i8": -5, "u64": 2**64 - 1, "f32": 0.5, "large": "é", "word": "a", "ns": when, "fixed": [1, 2]},
        dict.fromkeys(["i8", "u64", "f32", "large", "word", "ns", "fixed"]),
    ] * 100
    table = pa.Table.from_pylist(rows, pa.schema(narrow))
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=7, **settings)
    assert list(StreamReader(tmp_path / "a.parquet")) == rows
    pyarrow.feather.write_feather(table, str(tmp_path / "a.feather"), chunksize=9)
    assert list(StreamReader(tmp_path / "a.feather")) == rows


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet", "arrow"])
def test_numpy_values_are_written_as_pythons(tmp_path, suffix):
    numpy = pytest.importorskip("numpy")
    when = numpy.datetime64("2024-05-01T12:00:00.000005")
    row = {
        "i": numpy.int32(5),
        "f": numpy.float32(0.5),
        "b": numpy.bool_(True),
        "day": numpy.datetime64("2024-05-01"),
        "us": when,
        "ns": when.astype("datetime64[ns]"),
        "for": numpy.timedelta64(1_000_000_000, "ns"),
        "list": numpy.arange(3),
        "table": numpy.ones((2, 2)),
    }
    moment = dt.datetime(2024, 5, 1, 12, 0, 0, 5)
    plain = {"i": 5, "f": 0.5, "b": True, "day": dt.date(2024, 5, 1), "us": moment, "ns": moment}
    plain |= {"for": dt.timedelta(seconds=1), "list": [0, 1, 2], "table": [[1.0, 1.0], [1.0, 1.0]]}
    found = []
    for one in (row, plain):
        StreamWriter(tmp_path / f"a.{suffix}").write([one])
        found += StreamReader(tmp_path / f"a.{suffix}")
    assert found[0] == found[1]


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_nanoseconds_are_read_to_the_microsecond(tmp_path, suffix):
    kinds = [pa.timestamp("ns", "UTC"), pa.timestamp("ns"), pa.duration("ns"), pa.time64("ns")]
    table = pa.table({str(kind): pa.array([1_500, None], kind) for kind in kinds})
    if suffix == "parquet":
        pq.write_table(table, tmp_path / "a.parquet")
    else:
        pyarrow.feather.write_feather(table, str(tmp_path / "a.arrow"))
    reader = StreamReader(tmp_path / f"a.{suffix}")
    start, tick = dt.datetime(1970, 1, 1), dt.timedelta(microseconds=1)
    first, second = (list(row.values()) for row in reader)
    assert first == [start.replace(tzinfo=dt.UTC) + tick, start + tick, tick, dt.time(microsecond=1)]
    assert second == [None] * 4
    assert reader.to_arrow().equals(table)


def test_the_standard_library_and_pyarrow_read_ours(tmp_path):
    import csv

    StreamWriter(tmp_path / "a.csv").write(TEXT)
    with open(tmp_path / "a.csv", newline="") as file:
        assert list(csv.DictReader(file)) == TEXT
    read = pa_csv.read_csv(tmp_path / "a.csv", parse_options=pa_csv.ParseOptions(newlines_in_values=True))
    assert read["name"].to_pylist() == [row["name"] for row in TEXT]
    StreamWriter(tmp_path / "a.jsonl").write(TEXT)
    with open(tmp_path / "a.jsonl") as file:
        assert [json.loads(line) for line in file] == TEXT
    StreamWriter(tmp_path / "a.parquet").write(LISTS)
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == LISTS


def test_pandas_both_ways(tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas not installed")
    plain = [{"id": row["id"], "half": row["half"], "when": row["when"]} for row in ROWS]
    StreamWriter(tmp_path / "a.parquet").write(plain)
    frame = pandas.read_parquet(tmp_path / "a.parquet")
    assert frame["id"].tolist() == [row["id"] for row in plain]
    assert StreamReader(tmp_path / "a.parquet").to_pandas()["half"].tolist() == [row["half"] for row in plain]
    frame.to_parquet(tmp_path / "b.parquet")
    assert list(StreamReader(tmp_path / "b.parquet")) == plain
    pandas.DataFrame(TEXT).to_csv(tmp_path / "b.csv", index=False)
    assert list(StreamReader(tmp_path / "b.csv")) == TEXT
    pandas.DataFrame(TEXT).to_json(tmp_path / "b.jsonl", orient="records", lines=True)
    assert list(StreamReader(tmp_path / "b.jsonl")) == TEXT
    StreamWriter(tmp_path / "c.csv").write(TEXT)
    assert pandas.read_csv(tmp_path / "c.csv", dtype=str).to_dict("records") == TEXT
    times = pandas.DataFrame(
        {"t": [pandas.Timestamp(2024, 5, 1, 12), None], "d": [pandas.Timedelta("1h"), None]}
    )
    StreamWriter(tmp_path / "t.jsonl").write(times.to_dict("records"))
    assert list(StreamReader(tmp_path / "t.jsonl")) == [
        {"t": "2024-05-01T12:00:00", "d": "PT3600S"},
        {"t": None, "d": None},
    ]
    scalars = pandas.DataFrame({"a": [1, 2], "b": [0.5, None]})
    StreamWriter(tmp_path / "d.parquet").write(
        {"a": a, "b": b} for a, b in zip(scalars["a"], scalars["b"], strict=True)
    )
    assert next(iter(StreamReader(tmp_path / "d.parquet"))) == {"a": 1, "b": 0.5}
