"""What goes in comes out: by format and type, for any values that hypothesis finds."""

import datetime as dt
import math
import uuid
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from queuack_stream import StreamReader, StreamWriter

LIMITS = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
SMALL_INT = st.integers(-(2**63), 2**63 - 1)
BIG_INT = st.integers(-(10**75), 10**75)
FLOAT = st.floats(allow_nan=False)
STAMP = st.datetimes(min_value=dt.datetime(1800, 1, 1), max_value=dt.datetime(2300, 1, 1))
ZONED = st.datetimes(
    min_value=dt.datetime(1971, 1, 1),
    max_value=dt.datetime(2037, 1, 1),
    timezones=st.sampled_from([dt.UTC, ZoneInfo("Europe/Berlin"), dt.timezone(dt.timedelta(hours=-5))]),
    allow_imaginary=False,  # a local time that a clock change leaves out is another one by Python itself
)
DECIMAL = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**20), max_value=10**20)
DELTA = st.timedeltas(min_value=dt.timedelta(days=-9999), max_value=dt.timedelta(days=9999))

# Types that columnar files keep as they are: one kind a column, None anywhere.
KEPT = {
    "int": SMALL_INT,
    "bigint": BIG_INT,
    "float": FLOAT,
    "bool": st.booleans(),
    "text": TEXT,
    "bytes": st.binary(max_size=12),
    "date": st.dates(),
    "datetime": STAMP,
    "zoned": ZONED,
    "time": st.times(),
    "timedelta": DELTA,
    "decimal": DECIMAL,
    "list": st.lists(SMALL_INT, max_size=4),
    "nested": st.fixed_dictionaries({"a": st.none() | FLOAT, "b": st.lists(TEXT, max_size=3)}),
    "structs": st.lists(st.fixed_dictionaries({"x": SMALL_INT | st.none(), "y": TEXT}), max_size=3),
}


def again(path, rows, **options):
    assert StreamWriter(path, **options).write(iter(rows)) == len(rows)
    return list(StreamReader(path))


def instant(row):
    """A row whose zoned time is told in UTC: Python calls some times of two zones unequal."""
    value = row["v"]
    return row | {"v": value.astimezone(dt.UTC)} if getattr(value, "tzinfo", None) else row


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize("kind", KEPT)
def test_columnar_files_keep(tmp_path, suffix, kind):
    @LIMITS
    @given(st.lists(st.none() | KEPT[kind], min_size=1, max_size=60))
    def check(values):
        rows = [{"i": i, "v": value} for i, value in enumerate(values)]
        found = again(tmp_path / f"a.{suffix}", rows, row_group_rows=7)
        assert list(map(instant, found)) == list(map(instant, rows))
        kinds = [type(row["v"]) for row in found]
        assert kinds == [type(row["v"]) for row in rows]

    check()


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_columnar_files_hold_any_mixture_of_scalars(tmp_path, suffix):
    scalar = st.one_of(
        st.none(), st.booleans(), BIG_INT, FLOAT, TEXT, st.dates(), STAMP, ZONED, st.times(), DELTA, DECIMAL
    )

    @LIMITS
    @given(st.lists(scalar, min_size=1, max_size=40))
    def check(values):
        rows = [{"i": i, "v": value} for i, value in enumerate(values)]
        found = again(tmp_path / f"a.{suffix}", rows, row_group_rows=3)
        assert [row["v"] is None for row in found] == [value is None for value in values]

    check()


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "csv"])
def test_columns_may_come_and_go(tmp_path, suffix):
    row = st.dictionaries(NAMES, SMALL_INT if suffix != "csv" else SMALL_INT.map(str), min_size=1, max_size=4)

    @LIMITS
    @given(st.lists(row, min_size=1, max_size=40))
    def check(rows):
        found = again(tmp_path / f"a.{suffix}", rows, row_group_rows=3)
        names = list(dict.fromkeys(name for row in rows for name in row))
        missing = "" if suffix == "csv" else None
        assert found == [{name: row.get(name, missing) for name in names} for row in rows]

    check()


JSON = st.recursive(
    st.none() | st.booleans() | BIG_INT | FLOAT.filter(math.isfinite) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_json_lines_keep_all_that_json_has(tmp_path, suffix):
    @LIMITS
    @given(st.lists(st.dictionaries(st.text(max_size=6), JSON, max_size=4) | JSON, max_size=40))
    def check(rows):
        assert again(tmp_path / f"a.{suffix}", rows) == rows

    check()


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "csv.zst"])
def test_csv_keeps_text(tmp_path, suffix):
    @LIMITS
    @given(st.lists(NAMES, min_size=1, max_size=4, unique=True), st.data())
    def check(names, data):
        row = st.fixed_dictionaries(
            dict.fromkeys(names, TEXT | st.sampled_from(['"', ",", "\n", "\r\n", "],["]))
        )
        rows = data.draw(st.lists(row, min_size=1, max_size=40))
        assert again(tmp_path / f"a.{suffix}", rows) == rows

    check()


TYPED_CSV = {
    "int": (BIG_INT, "decimal256(76, 0)"),
    "float": (FLOAT, float),
    "bool": (st.booleans(), bool),
    "bytes": (st.binary(min_size=1, max_size=12), bytes),
    "date": (st.dates(), dt.date),
    "datetime": (STAMP, dt.datetime),
    "time": (st.times(), dt.time),
    "timedelta": (DELTA, dt.timedelta),
    "decimal": (DECIMAL, Decimal),
}


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize("kind", [kind for kind in TYPED_CSV if kind != "int"])
def test_text_formats_give_back_declared_types(tmp_path, suffix, kind):
    values, declared = TYPED_CSV[kind]
    finite = (
        values.filter(lambda value: value == value and abs(value) != math.inf) if kind == "float" else values
    )

    @LIMITS
    @given(st.lists(st.none() | finite, min_size=1, max_size=40))
    def check(values):
        rows = [{"i": i, "v": value} for i, value in enumerate(values)]
        path = tmp_path / f"a.{suffix}"
        StreamWriter(path).write(rows)
        found = list(StreamReader(path, schema={"i": int, "v": declared}))
        assert found == rows
        assert [type(row["v"]) for row in found] == [type(row["v"]) for row in rows]

    check()


@pytest.mark.parametrize("suffix", ["pickle", "pickle.gz", "pickle.zst"])
def test_pickle_keeps_objects(tmp_path, suffix):
    anything = st.one_of(
        JSON, DECIMAL, ZONED, DELTA, st.binary(), st.sets(SMALL_INT), st.tuples(TEXT, FLOAT), st.uuids()
    )

    @LIMITS
    @given(st.lists(anything, max_size=60))
    def check(rows):
        assert again(tmp_path / f"a.{suffix}", rows) == rows

    check()


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet", "arrow", "pickle", "jsonl.gz", "csv.zst"])
def test_no_rows_are_a_file_too(tmp_path, suffix):
    assert again(tmp_path / f"a.{suffix}", []) == []


def test_special_floats_are_kept_by_columns_and_null_in_json(tmp_path):
    values = [math.nan, math.inf, -math.inf, -0.0]
    rows = [{"v": value} for value in values]
    for suffix in ("parquet", "arrow"):
        found = [row["v"] for row in again(tmp_path / f"a.{suffix}", rows)]
        assert math.isnan(found[0])
        assert [str(value) for value in found] == [str(value) for value in values]
    assert [row["v"] for row in again(tmp_path / "a.jsonl", rows)] == [None, None, None, 0]
    StreamWriter(tmp_path / "a.csv").write(rows)
    found = [row["v"] for row in StreamReader(tmp_path / "a.csv", schema={"v": float})]
    assert [str(value) for value in found] == [str(value) for value in values]


def test_costumes_come_off(tmp_path):
    import enum

    class Colour(enum.Enum):
        RED = "red"

    class Level(enum.IntEnum):
        HIGH = 3

    row = {
        "c": Colour.RED,
        "l": Level.HIGH,
        "u": uuid.UUID(int=5),
        "t": (1, 2),
        "s": {7},
        "b": bytearray(b"x"),
    }
    plain = {"c": "red", "l": 3, "u": str(uuid.UUID(int=5)), "t": [1, 2], "s": [7], "b": b"x"}
    for suffix in ("parquet", "arrow"):
        assert again(tmp_path / f"a.{suffix}", [row]) == [plain]
    assert again(tmp_path / "a.jsonl", [row]) == [plain | {"b": "eA=="}]
