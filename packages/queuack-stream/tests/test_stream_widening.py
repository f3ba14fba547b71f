"""Types that change later: widened along the lattice, written twice only if need be, else refused by name."""

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from queuack_stream import RowError, SchemaError, StreamReader, StreamWriter
from queuack_stream.columns.arrays import text
from queuack_stream.columns.kinds import infer
from queuack_stream.columns.lattice import join

COLUMNAR = pytest.mark.parametrize("suffix", ["parquet", "arrow"])
UTC_NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
CET_NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=1)))

# First values, later values, and what the first ones read as in the end.
WIDENINGS = [
    (None, 7, None),
    (7, None, 7),
    (7, 1.5, 7.0),
    (1.5, 7, 1.5),
    (True, 7, 1),
    (7, 2**63, 7),
    (7, 10**50, 7),
    (2**70, 10**50, 2**70),
    (7, 10**90, "7"),
    (7, Decimal("1.25"), Decimal(7)),
    (Decimal("1.25"), Decimal("1.2345"), Decimal("1.25")),
    (Decimal("1.25"), 0.5, 1.25),
    (7, "seven", "7"),
    (True, "seven", "true"),
    (1.5, "seven", "1.5"),
    (dt.date(2024, 5, 1), dt.datetime(2024, 5, 2, 3), dt.datetime(2024, 5, 1)),
    (dt.date(2024, 5, 1), "soon", "2024-05-01"),
    (UTC_NOON, CET_NOON, UTC_NOON),
    (dt.datetime(2024, 5, 1), UTC_NOON, "2024-05-01T00:00:00"),
    ([1], [1.5], [1.0]),
    ([], [1], []),
    ([None], ["x"], [None]),
    ({"a": 1}, {"b": "x"}, {"a": 1, "b": None}),
    ({"a": {"b": 1}}, {"a": {"b": 2.5, "c": None}}, {"a": {"b": 1.0, "c": None}}),
    ({}, {"a": 1}, None),
]


@COLUMNAR
@pytest.mark.parametrize("group", [4, 1000], ids=["after a group was written", "within a group"])
@pytest.mark.parametrize(("first", "later", "read"), WIDENINGS, ids=repr)
def test_a_column_widens(tmp_path, suffix, first, later, read, group):
    path = tmp_path / f"a.{suffix}"
    rows = [{"v": first}] * 10 + [{"v": later}] * 10
    StreamWriter(path, row_group_rows=group).write(rows)
    found = [row["v"] for row in StreamReader(path)]
    if (first, group) == ({}, 1000):  # an empty dict has no keys of its own, so it is as its neighbours are
        read = {"a": None}
    assert found[:8] == [read] * 8
    assert type(found[0]) is type(read)
    if isinstance(read, str):
        later = text(later)
    elif isinstance(read, dict):
        later = dict.fromkeys(read) | later
    assert found[12:] == [later] * 8
    assert [name.name for name in tmp_path.iterdir()] == [path.name]


@COLUMNAR
def test_a_column_that_appears_at_row_50_000(tmp_path, suffix):
    def rows():
        for i in range(60_000):
            yield {"a": i} if i < 50_000 else {"a": i, "b": f"b{i}"}

    path = tmp_path / f"a.{suffix}"
    StreamWriter(path, row_group_rows=16_384).write(rows())
    found = list(StreamReader(path))
    assert found[49_999:50_001] == [{"a": 49_999, "b": None}, {"a": 50_000, "b": "b50000"}]


def test_what_fits_is_not_written_twice(tmp_path):
    """An int among floats, a None, a missing key: one segment, as many groups as were written."""
    rows = [{"v": 0.5, "w": "x"}] * 10 + [{"v": 1, "w": None}] * 10 + [{"v": 2.5}] * 10
    StreamWriter(tmp_path / "a.parquet", row_group_rows=10).write(rows)
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3


@COLUMNAR
@pytest.mark.parametrize(
    ("first", "later"),
    [(b"x", "text"), ("text", b"x"), ([1], 2), ({"a": 1}, [1]), ({"a": 1}, {"a": [1]}), (1, object())],
)
def test_what_no_type_holds_is_refused_by_name(tmp_path, suffix, first, later):
    path = tmp_path / f"a.{suffix}"
    with pytest.raises(RowError) as caught:
        StreamWriter(path, row_group_rows=4).write([{"v": first, "ok": 1}] * 10 + [{"v": later, "ok": 1}])
    assert (caught.value.row, caught.value.column) == (10, "v")
    assert caught.value.value is later or caught.value.value == [1]
    assert "row 10, column 'v'" in str(caught.value)
    assert not list(tmp_path.iterdir())


@COLUMNAR
@pytest.mark.parametrize("group", [4, 1000])
@pytest.mark.parametrize(
    ("first", "later", "value"),
    [
        ([{"a": 1}], [1], 1),
        ([1], [{"a": 1}], {"a": 1}),
        ({"a": [1]}, {"a": 1}, 1),
        ({"a": 1}, {"a": b"x"}, b"x"),
    ],
)
def test_the_row_of_a_nested_value_is_named(tmp_path, suffix, group, first, later, value):
    """Also where an equal value stands in an earlier row, in which it was welcome."""
    with pytest.raises(RowError) as caught:
        StreamWriter(tmp_path / f"a.{suffix}", row_group_rows=group).write(
            {"v": first if i < 10 else later} for i in range(20)
        )
    assert (caught.value.row, caught.value.column) == (10, "v")
    assert caught.value.value in (value, later)


@COLUMNAR
@pytest.mark.parametrize("group", [4, 1000])
@pytest.mark.parametrize(
    "other", [True, 7, 2**70, 1.5, "x", b"x", Decimal("1.5"), dt.date(2024, 5, 1), UTC_NOON, [1]]
)
def test_an_empty_dict_counts_as_none_beside_any_value(tmp_path, suffix, group, other):
    path = tmp_path / f"a.{suffix}"
    values = [{}] * 10 + [other] * 10 + [{}] * 10
    StreamWriter(path, row_group_rows=group).write({"v": value, "l": [value]} for value in values)
    wanted = [None] * 10 + [other] * 10 + [None] * 10
    assert list(StreamReader(path)) == [{"v": value, "l": [value]} for value in wanted]


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "csv"])
@pytest.mark.parametrize("row", [7, [1], None, {}, {3: "x"}])
def test_rows_that_are_no_rows(tmp_path, suffix, row):
    with pytest.raises(RowError, match="row 1"):
        StreamWriter(tmp_path / f"a.{suffix}").write([{"a": 1}, row])


def test_join_is_commutative_on_what_it_is_made_of():
    values = [
        None,
        True,
        1,
        2**70,
        10**50,
        1.5,
        "x",
        b"x",
        Decimal("1.5"),
        dt.date.min,
        UTC_NOON,
        [1],
        {"a": 1},
    ]
    types = [infer([value]) for value in values]
    for a in types:
        assert join(a, a) == a
        assert join(a, pa.null()) == join(pa.null(), a) == a
        for b in types:
            assert join(a, b) == join(b, a)
            if (both := join(a, b)) is not None:
                assert join(both, a) == both


SCHEMAS = [{"a": int, "b": "string"}, pa.schema([("a", pa.int64()), ("b", pa.string())])]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet", "arrow"])
@pytest.mark.parametrize("schema", SCHEMAS, ids=["dict", "pyarrow"])
def test_a_declared_schema_holds(tmp_path, suffix, schema):
    path = tmp_path / f"a.{suffix}"
    StreamWriter(path, schema=schema).write([{"a": 1, "b": "x"}, {"b": None, "a": None}])
    declared = {} if suffix in ("parquet", "arrow") else {"schema": schema}
    reader = StreamReader(path, **declared)
    assert next(iter(reader)) == {"a": 1, "b": "x"}
    assert reader.schema.field("a").type == pa.int64()
    for bad, column in [({"a": 1.5, "b": "x"}, "a"), ({"a": 1, "b": 2}, "b"), ({"a": 1, "c": 2}, "c")]:
        with pytest.raises(RowError) as caught:
            StreamWriter(path, schema=schema).write([{"a": 1, "b": "x"}, bad])
        assert (caught.value.row, caught.value.column) == (1, column)
    assert next(iter(StreamReader(path, **declared))) == {"a": 1, "b": "x"}


def test_declared_types_are_the_files_types(tmp_path):
    schema = pa.schema(
        [
            pa.field("a", pa.int16()),
            pa.field("b", pa.dictionary(pa.int32(), pa.string())),
            pa.field("c", pa.list_(pa.float32())),
            pa.field("d", pa.decimal128(10, 2), nullable=False),
        ]
    )
    path = tmp_path / "a.parquet"
    row = {"a": 1, "b": "x", "c": [0.5], "d": Decimal("1.50")}
    StreamWriter(path, schema=schema).write([row] * 3)
    assert StreamReader(path).schema.field("a").type == pa.int16()
    assert list(StreamReader(path)) == [row] * 3
    for bad in ({"a": 70_000}, {"d": None}, {"d": Decimal("1.555")}, {"c": ["x"]}):
        with pytest.raises(RowError, match=f"row 1, column {next(iter(bad))!r}"):
            StreamWriter(path, schema=schema).write([row, row | bad])


@pytest.mark.parametrize(
    "kind", [pa.timestamp("ms"), pa.time32("ms"), pa.duration("ms"), pa.list_(pa.timestamp("ms"))]
)
def test_what_a_declared_unit_would_cut_off_is_refused(tmp_path, kind):
    def value(microsecond):
        when = dt.datetime(2024, 5, 1, 12, 0, 0, microsecond)
        if pa.types.is_list(kind):
            return [when]
        if pa.types.is_duration(kind):
            return dt.timedelta(microseconds=microsecond)
        return when.time() if pa.types.is_time(kind) else when

    path = tmp_path / "a.arrow"
    StreamWriter(path, schema={"v": kind}).write([{"v": value(5_000)}])
    assert list(StreamReader(path)) == [{"v": value(5_000)}]
    with pytest.raises(RowError, match=r"row 1, column 'v'.*finer"):
        StreamWriter(path, schema={"v": kind}).write([{"v": value(5_000)}, {"v": value(5_001)}])


def test_schemas_that_are_none(tmp_path):
    for schema in ("int", {"a": "no such type"}, {1: int}, pa.schema([("a", pa.int8()), ("a", pa.int8())])):
        with pytest.raises(SchemaError):
            StreamWriter(tmp_path / "a.parquet", schema=schema)
