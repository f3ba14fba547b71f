"""Contract: the history of every attempt, and SQL over it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from queuack_store.errors import InvalidRequestError, QueryError
from queuack_store.testing.tasks import MakeQueue, boom, claimed, echo, finish, refused

REFUSED = [
    "DELETE FROM jobs", "UPDATE jobs SET priority = 1", "DROP TABLE jobs", "CREATE TABLE t (i INT)",
    "INSERT INTO dag_runs SELECT * FROM dag_runs", "COPY jobs TO 'x.csv'", "ATTACH 'x.db'",
    "SELECT 1; SELECT 2", "SELECT 1; DELETE FROM jobs", "SET threads = 1", "PRAGMA version",
    "CHECKPOINT", "INSTALL httpfs", "SELECT * FROM read_csv('/etc/hosts')",
    "SELECT * FROM '/etc/hosts'",
    "SELECT nonsense FROM jobs", "SELEKT 1", "BEGIN", "EXPORT DATABASE 'x'", "CALL pragma_version()",
]  # fmt: skip


class HistoryContract:
    """What a queue remembers, and how it is asked."""

    def test_every_attempt_is_kept(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(boom, ("no",), retry_delay=0)
        assert queue.attempts(job_id) == []
        queue.nack(claimed(queue, job_id, worker_id="w0"))
        finish(queue, worker_id="w1")
        queue.ack(claimed(queue, job_id, worker_id="w2"), "fine")
        rows = queue.attempts(job_id)
        assert [row["outcome"] for row in rows] == ["returned", "failed", "done"]
        assert [row["worker"] for row in rows] == ["w0", "w1", "w2"]
        assert [row["attempt"] for row in rows][1:] == [1, 2]
        assert [row["error"] for row in rows] == [None, "ValueError: no", None]
        assert {row["job_id"] for row in rows} == {job_id}
        for row in rows:
            assert row["claimed_at"] <= row["ended_at"]
            assert row["ended_at"].tzinfo is UTC
        assert [row["duration_seconds"] >= 0 for row in rows[1:]] == [True, True]

    def test_sql_sees_everything_acknowledged_before_it(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        for count in range(1, 4):
            queue.enqueue(echo, (count,))
            assert queue.sql("SELECT count(*) FROM jobs").fetchall() == [(count,)]
        finish(queue)
        rows = queue.sql("SELECT status, count(*) AS jobs FROM jobs GROUP BY 1 ORDER BY 1")
        assert rows.columns == ["status", "jobs"]
        assert list(rows) == list(rows) == [("done", 1), ("pending", 2)]
        assert (rows.fetchone(), rows.fetchone(), rows.fetchone()) == (("done", 1), ("pending", 2), None)

    def test_sql_over_attempts_and_edges(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        parent = queue.enqueue(echo)
        child = queue.enqueue(echo, depends_on=parent)
        finish(queue)
        edge = "SELECT child_id, parent_id FROM job_dependencies"
        assert queue.sql(edge).fetchall() == [(UUID(child), UUID(parent))]
        attempt = "SELECT j.task, a.outcome FROM job_attempts a JOIN jobs j ON j.id = a.job_id"
        assert queue.sql(attempt).fetchall() == [(f"{echo.__module__}:echo", "done")]
        assert queue.sql("SELECT count(*) FROM dag_runs").fetchall() == [(0,)]

    def test_sql_takes_parameters(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo, priority=70)
        query = "SELECT priority FROM jobs WHERE id = ? AND created_at < ?"
        later = datetime(2100, 1, 1, tzinfo=UTC)
        for value in (job_id, UUID(job_id)):
            assert queue.sql(query, [value, later]).fetchall() == [(70,)]
        named = "SELECT count(*) FROM jobs WHERE queue = $queue"
        assert queue.sql(named, {"queue": "'; DROP TABLE jobs; --"}).fetchall() == [(0,)]
        for bad in ("text", [object()], 5):
            with pytest.raises(InvalidRequestError, match="param"):
                queue.sql(query, bad)

    def test_sql_values_keep_their_types(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo)
        ((found, created),) = queue.sql("SELECT id, created_at FROM jobs")
        assert found == UUID(job_id)
        assert isinstance(created, datetime)
        assert created.tzinfo is None
        values = (
            "1.5::DOUBLE, 'é', 'ab'::BLOB, 170141183460469231731687303715884105727::HUGEINT, NULL, [1, 2], "
            "{'a': DATE '2020-01-02'}, 1.50::DECIMAL(5, 2), INTERVAL 36 HOUR, TIME '12:00', true, "
            "MAP {'k': 1}, TIMESTAMPTZ '2020-01-02 00:00:00+00'"
        )
        expected = (
            1.5, "é", b"ab", 2**127 - 1, None, [1, 2], {"a": date(2020, 1, 2)}, Decimal("1.50"),
            timedelta(hours=36), time(12), True, {"k": 1}, datetime(2020, 1, 2, tzinfo=UTC),
        )  # fmt: skip
        assert queue.sql(f"SELECT {values}").fetchall() == [expected]
        large = queue.sql(f"SELECT {values} FROM range(20000)")
        assert large.fetchone() == expected
        assert (len(large), len(large.types)) == (20_000, 13)

    def test_a_large_result_comes_whole(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        rows = queue.sql("SELECT i, 'row ' || i AS label FROM range(300000) t(i) ORDER BY i")
        assert len(rows) == 300_000
        assert rows.fetchone() == (0, "row 0")
        assert sum(row[0] for row in rows) == sum(range(300_000))
        assert rows.fetchall()[-1] == (299_999, "row 299999")
        rows.close()

    def test_sql_refuses_everything_but_one_select(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo)
        for query in REFUSED:
            refused(QueryError, query, queue.sql, query)
        claimed(queue, job_id)  # and the queue goes on

    def test_sql_is_interrupted_at_its_timeout(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        endless = "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range * b.range = 7"
        with pytest.raises(QueryError, match=r"timeout|0\.05"):
            queue.sql(endless, timeout=0.05)
        assert queue.sql("SELECT 1").fetchall() == [(1,)]

    def test_sql_wants_text_and_a_time(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        nothing: list[Any] = ["", "  ", None, 5]
        for query in nothing:
            with pytest.raises(InvalidRequestError):
                queue.sql(query)
        with pytest.raises(InvalidRequestError):
            queue.sql("SELECT 1", timeout=0)

    def test_frames_come_out_typed(self, make_queue: MakeQueue) -> None:
        pytest.importorskip("pyarrow")
        queue = make_queue()
        queue.enqueue(echo)
        for query in (
            "SELECT id, created_at, priority FROM jobs",
            "SELECT range AS priority FROM range(50000)",
        ):
            rows = queue.sql(query)
            table = rows.arrow()
            assert table.column_names == rows.columns
            assert table.num_rows == len(rows)
            assert str(table.schema.field("priority").type).startswith("int")
