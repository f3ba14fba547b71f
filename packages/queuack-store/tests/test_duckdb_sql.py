"""`sql()`: one SELECT that only looks, in bounded time, its values carried without loss."""

import stat
import threading
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import duckdb
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from queuack_store.clock import SystemClock
from queuack_store.duckdb import guarded
from queuack_store.duckdb.database import open_database
from queuack_store.duckdb.values import pack_rows, unpack_rows
from queuack_store.engine.changes import Record
from queuack_store.engine.journalling import no_probe
from queuack_store.engine.reads import ReadSql
from queuack_store.errors import QueryError


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    made = open_database(tmp_path_factory.mktemp("sql") / "q.db", SystemClock(), no_probe)
    yield made
    made.close()


def ask(database, query, params=None, timeout_s=30.0, as_file=False):
    return database.read(ReadSql(query, params, timeout_s, as_file, 0))


REFUSED = {
    "INSERT INTO jobs (seq) VALUES (1)": "INSERT",
    "UPDATE jobs SET seq = 1": "UPDATE",
    "DELETE FROM jobs": "DELETE",
    "CREATE TABLE t (i INT)": "CREATE",
    "DROP TABLE jobs": "DROP",
    "ALTER TABLE jobs ADD COLUMN x INT": "ALTER",
    "COPY jobs TO '/tmp/x.csv'": "COPY",
    "COPY jobs FROM '/tmp/x.csv'": "COPY",
    "PRAGMA version": "PRAGMA",
    "SET threads = 1": "SET",
    "RESET threads": "SET",
    "ATTACH ':memory:' AS x": "ATTACH",
    "DETACH x": "DETACH",
    "INSTALL httpfs": "LOAD",
    "LOAD json": "LOAD",
    "CHECKPOINT": "CALL",
    "FORCE CHECKPOINT": "CALL",
    "VACUUM": "VACUUM",
    "BEGIN": "TRANSACTION",
    "CALL pragma_version()": "CALL",
    "EXPORT DATABASE '/tmp/x'": "EXPORT",
    "PREPARE x AS SELECT 1": "PREPARE",
    "EXECUTE insert_jobs": "EXECUTE",
    "EXPLAIN ANALYZE SELECT 1": "EXPLAIN",
    "SELECT 1; SELECT 2": "2 statements",
    "": "0 statements",
    "  -- nothing": "0 statements",
    "SELEC 1": "can't be parsed",
    "WITH x AS (INSERT INTO jobs (seq) VALUES (1) RETURNING seq) SELECT * FROM x": "INSERT",
    "SELECT * FROM checkpoint()": "checkpoint",
    "SELECT (SELECT count(*) FROM force_checkpoint())": "force_checkpoint",
    'FROM "CheckPoint"()': "checkpoint",
    "SELECT * FROM main.checkpoint()": "checkpoint",
    "SELECT * FROM query('SELECT * FROM checkpoint()')": "query",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))": "json_execute",
    "SELECT * FROM read_csv('/etc/passwd')": "read_csv",
    "SELECT * FROM read_text('/etc/passwd')": "read_text",
    "SELECT * FROM read_parquet('x.parquet')": "read_parquet",
    "SELECT * FROM glob('/etc/*')": "glob",
    "SELECT * FROM sniff_csv('/etc/passwd')": "sniff_csv",
    "SELECT * FROM truncate_duckdb_logs()": "truncate_duckdb_logs",
    "SELECT * FROM '/etc/passwd'": "does not exist",
    "SELECT * FROM '/etc/hosts.csv'": "(?i)permission|disabled",
    "SELECT getenv('HOME')": "getenv",
    "PIVOT jobs ON status": "PIVOT",
    "SELECT * FROM (PIVOT jobs ON status USING count(*))": "PIVOT",
}


@pytest.mark.parametrize("query", REFUSED)
def test_everything_else_is_refused_by_name(database, query):
    with pytest.raises(QueryError, match=REFUSED[query]):
        ask(database, query)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM jobs",
        "FROM jobs",
        "VALUES (1)",
        "TABLE dag_runs",
        "DESCRIBE jobs",
        "SUMMARIZE jobs",
        "SHOW TABLES",
        "WITH RECURSIVE t AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM t WHERE i < 5) SELECT sum(i) FROM t;",
        "SELECT * FROM range(3) -- with a comment",
        "SELECT unnest([1, 2])",
        "SELECT 'checkpoint()', $$ SELECT ; $$",
        "SELECT * FROM jobs WINDOW w AS (PARTITION BY queue) QUALIFY row_number() OVER w = 1",
    ],
)
def test_every_form_of_a_select_is_taken(database, query):
    ask(database, query)


def test_python_variables_are_out_of_reach(database):
    secret = [{"x": 1}]
    with pytest.raises(QueryError, match="secret"):
        ask(database, "SELECT * FROM secret")
    assert secret


def test_parameters(database):
    assert ask(database, "SELECT ? + 1, ?", [1, "x"]).rows == [[2, "x"]]
    assert ask(database, "SELECT $a + 1, $a", {"a": 1}).rows == [[2, 1]]
    with pytest.raises(QueryError):
        ask(database, "SELECT ?", [])


VALUES = {
    "NULL": None,
    "true": True,
    "1::HUGEINT << 100": 1 << 100,
    "18446744073709551615::UBIGINT": (1 << 64) - 1,
    "1.50::DECIMAL(5, 2)": Decimal("1.50"),
    "'NaN'::DOUBLE": float("nan"),
    "'ß\\0'": "ß\\0",
    "'\\x00\\xff'::BLOB": b"\x00\xff",
    "UUID '4ac7a9e9-607c-4c8a-84f3-843f0191e3fd'": UUID("4ac7a9e9-607c-4c8a-84f3-843f0191e3fd"),
    "DATE '2020-02-29'": date(2020, 2, 29),
    "TIME '12:34:56.789'": time(12, 34, 56, 789_000),
    "TIMESTAMP '2020-01-02 03:04:05.678901'": datetime(2020, 1, 2, 3, 4, 5, 678_901),
    "TIMESTAMPTZ '2020-01-02 03:04:05+02'": datetime(2020, 1, 2, 1, 4, 5, tzinfo=UTC),
    "[TIMESTAMPTZ '2020-01-02 00:00:00+00']": [datetime(2020, 1, 2, tzinfo=UTC)],
    "INTERVAL '1 day 2 hours'": timedelta(days=1, hours=2),
    "[1, NULL]": [1, None],
    "{'a': [DATE '2020-01-01'], 'b': 2}": {"a": [date(2020, 1, 1)], "b": 2},
    "MAP {1: 'x', 2: 'y'}": {1: "x", 2: "y"},
    "MAP {DATE '2020-01-01': 1}": {date(2020, 1, 1): 1},
    "row(1, 'x')": (1, "x"),
    "'a'::ENUM('a', 'b')": "a",
    "'{\"a\": 1}'::JSON": '{"a": 1}',
}


@pytest.mark.parametrize("text", VALUES)
def test_values_travel_without_loss(database, text):
    table = ask(database, f"SELECT {text} AS v")
    carried = msgspec.msgpack.decode(msgspec.msgpack.encode(table.rows))
    ((value,),) = unpack_rows(carried)
    expected = VALUES[text]
    assert value == expected or (value != value and expected != expected)
    assert type(value) is type(expected)
    assert table.columns == ["v"]


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
TIMES = st.datetimes() | st.dates() | st.times() | st.timedeltas() | st.datetimes(timezones=st.just(UTC))
ANY = st.recursive(
    PLAIN | TIMES | st.uuids() | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.dictionaries(st.integers(), inner),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(ANY, ANY), max_size=4))
def test_packing_is_lossless(rows):
    carried = msgspec.msgpack.decode(msgspec.msgpack.encode(pack_rows(rows)))
    assert unpack_rows(carried) == rows


def test_a_slow_query_ends_at_its_limit_and_leaves_the_rest_alone(database):
    with pytest.raises(QueryError, match=r"longer than 0\.2 s"):
        ask(database, "SELECT count(*) FROM range(1000000) a, range(1000000) b", timeout_s=0.2)
    assert ask(database, "SELECT 1").rows == [[1]]
    database.apply([Record(database.cycle + 1, 0.0, 1, 1)])


def test_a_slow_query_does_not_hold_up_applying(database):
    started, answers = threading.Event(), []

    def slow():
        started.set()
        try:
            ask(database, "SELECT count(*) FROM range(1000000) a, range(1000000) b", timeout_s=1.0)
        except QueryError as error:
            answers.append(error)

    thread = threading.Thread(target=slow)
    thread.start()
    started.wait()
    for _ in range(5):
        database.apply([Record(database.cycle + 1, 0.0, 1, 1)])
    assert answers == []  # it was still running
    thread.join()
    assert len(answers) == 1


def test_large_results_become_a_private_file(database):
    table = ask(database, "SELECT range AS n, range::HUGEINT AS big FROM range(10001)")
    assert table.rows == []
    path = database._path.with_name("q.db.files")
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert table.path.startswith(str(path))
    back = f"SELECT sum(n), sum(big::HUGEINT) FROM read_parquet('{table.path}')"
    assert duckdb.sql(back).fetchall() == [(50_005_000, 50_005_000)]
    assert table.types == ["BIGINT", "HUGEINT"]


def test_wide_results_become_a_file_too(database):
    assert ask(database, "SELECT repeat('x', 1000000) FROM range(4)").path is None
    assert ask(database, "SELECT repeat('x', 1000000) FROM range(5)").path is not None


def test_a_file_can_be_asked_for_and_takes_parameters(database):
    table = ask(database, 'SELECT $n AS n, \'a"b\' AS "odd "" name" -- comment', {"n": 5}, as_file=True)
    assert duckdb.sql(f"SELECT * FROM read_parquet('{table.path}')").fetchall() == [(5, 'a"b')]
    assert table.columns == ["n", 'odd " name']


def test_in_memory_every_result_travels_as_rows():
    database = open_database(None, SystemClock(), no_probe)
    assert len(ask(database, "SELECT * FROM range(20000)", as_file=True).rows) == 20_000
    database.close()


def test_results_that_nobody_came_for_go_with_the_next_opening(tmp_path, monkeypatch):
    path = tmp_path / "q.db"
    database = open_database(path, SystemClock(), no_probe)
    table = ask(database, "SELECT 1", as_file=True)
    database.close()
    assert (tmp_path / "q.db.files").exists()  # its reader may still load it
    now = guarded.os.stat(table.path).st_mtime
    monkeypatch.setattr("queuack_store.duckdb.files.wall", lambda: now + 90_000)
    open_database(path, SystemClock(), no_probe).close()
    assert not (tmp_path / "q.db.files").exists()
