"""Columns of Python values reach DuckDB as they are, without numpy or pyarrow."""

import subprocess
import sys

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from queuack_store.duckdb import arrow


@pytest.fixture(scope="module")
def brought():
    connection = duckdb.connect(":memory:")
    source = arrow.Source()
    source.fill(x=arrow.integers([0]))
    connection.register("source", source)

    def bring(column, cast=""):
        source.fill(x=column)
        return [row[0] for row in connection.execute(f"SELECT x{cast} FROM source").fetchall()]

    yield bring
    connection.close()


LENGTHS = [1, 7, 8, 9, 2_047, 2_048, 2_049, 130_000]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
quick = settings(max_examples=30, deadline=None)


@quick
@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_integers(brought, values):
    assert brought(arrow.integers(values), "::BIGINT") == values


@quick
@given(st.lists(st.none() | st.floats(allow_nan=False), min_size=1))
def test_doubles(brought, values):
    assert brought(arrow.doubles(values), "::DOUBLE") == values


@quick
@given(st.lists(st.none() | TEXT, min_size=1))
def test_texts_and_words(brought, values):
    assert brought(arrow.texts(values), "::VARCHAR") == values
    assert brought(arrow.words(values), "::VARCHAR") == values


@quick
@given(st.lists(st.none() | st.binary(max_size=40), min_size=1))
def test_blobs_and_tokens(brought, values):
    assert brought(arrow.blobs(values), "::BLOB") == values
    assert brought(arrow.tokens(values), "::BLOB") == values


@quick
@given(st.lists(st.none() | st.binary(min_size=16, max_size=16), min_size=1))
def test_ids(brought, values):
    assert brought(arrow.ids(values), "::UUID::BLOB") == values


@quick
@given(st.lists(st.lists(TEXT, max_size=3), min_size=1))
def test_lists(brought, values):
    assert brought(arrow.lists(values), "::VARCHAR[]") == values


@quick
@given(st.lists(st.booleans(), min_size=1))
def test_booleans(brought, values):
    assert brought(arrow.booleans(values), "::BOOLEAN") == values


@pytest.mark.parametrize("length", LENGTHS)
def test_across_duckdbs_vector_boundaries(brought, length):
    numbers = [None if n % 3 == 0 else n for n in range(length)]
    names = [None if n % 5 == 0 else f"w{n % 7}" for n in range(length)]
    assert brought(arrow.integers(numbers)) == numbers if length > 1 else True
    assert brought(arrow.words(names), "::VARCHAR") == names
    for kind in (
        arrow.integers,
        arrow.doubles,
        arrow.words,
        arrow.tokens,
        arrow.texts,
        arrow.blobs,
        arrow.ids,
    ):
        assert brought(kind([None] * length)) == [None] * length


def test_too_large_an_integer_is_an_error():
    with pytest.raises(OverflowError):
        arrow.integers([1 << 64])


def test_heavy_libraries_stay_out():
    # The owner's memory is what it imports; duckdb loads pyarrow and numpy for their own objects only.
    code = """
import sys
from queuack_store.clock import SystemClock
from queuack_store.duckdb.database import open_database
from queuack_store.engine.changes import JobState, NewRow, Record
from queuack_store.engine.journalling import no_probe
from queuack_store.engine.reads import ReadJobs, ReadSql
from queuack_store.ids import new_id
from queuack_store.jobs import NewJob
spec = NewJob(new_id(), "t", b"p")
state = JobState(1, "pending", 50, None, 0, 0, None, None, None, None, None, 0, None, None, False, 3)
database = open_database(None, SystemClock(), no_probe)
database.apply([Record(1, 1e9, 2, 1, new=[NewRow(spec, 1e9, state)])])
assert len(database.read(ReadJobs([spec.id]))) == 1
database.read(ReadSql("SELECT *, now() FROM jobs", None, 10.0, False, 0))
database.close()
print([name for name in ("numpy", "pyarrow", "pandas", "polars", "pytz") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
