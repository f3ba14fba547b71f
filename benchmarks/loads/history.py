"""How fast `sql()` answers over the finished jobs: p50 and p95 of the duration by task."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import duckdb
from queuack_store import DuckQueue

from benchmarks.loads.stage import Stage
from benchmarks.loads.tasks import noop
from benchmarks.measuring import Row, row

FINISHED = 5_000_000
TASKS = 20
QUERY = """
    SELECT task, count(*), quantile_cont(epoch(completed_at - started_at), [0.5, 0.95]) FROM jobs
    WHERE status = 'done' GROUP BY task ORDER BY task
"""
START = datetime(2026, 1, 1)

# What the engine would have written in hours: one row a job and attempt, with its payload and result.
ROWS = [
    """
    CREATE TEMP TABLE made AS
    SELECT i, uuidv7() AS id, 'app.tasks:task_' || i % $tasks AS task, $start + to_milliseconds(i) AS began,
        to_microseconds(CAST(1000 + hash(i) % 100000 AS BIGINT)) AS took
    FROM range(1, $count + 1) made(i)
    """,
    """
    INSERT INTO jobs BY NAME SELECT id, i AS seq, 'default' AS queue, task, 'done' AS status, 50 AS priority,
        began AS created_at, began AS claimed_at, 'a worker' AS claimed_by, began AS started_at,
        began + took AS completed_at, 1 AS attempts, 3 AS max_attempts, 3 AS fresh_attempts,
        300 AS timeout_seconds, 'all' AS dependency_mode, 0 AS waiting_on, i AS claim, false AS suspect
    FROM made
    """,
    """
    INSERT INTO job_attempts BY NAME SELECT id AS job_id, 1 AS attempt, i AS claim, 'a worker' AS worker,
        began AS claimed_at, began AS started_at, began + took AS ended_at, 'done' AS outcome,
        epoch(took) AS duration_seconds FROM made
    """,
    """
    INSERT INTO job_payloads SELECT i, 0, octet_length(it), it
    FROM (SELECT i, CAST('payload ' || i AS BLOB) AS it FROM made)
    """,
    """
    INSERT INTO job_results SELECT id, 0, octet_length(it), it
    FROM (SELECT id, CAST('result ' || i AS BLOB) AS it FROM made)
    """,
    "UPDATE queuack_meta SET next_seq = $count + 10, next_claim = $count + 10",
]


def measure(stage: Stage) -> Iterator[Row]:
    """Yield the query's seconds over five million finished jobs, 500,000 in a quick run."""
    count = FINISHED // 10 if stage.quick else FINISHED
    with DuckQueue(with_history(stage, count)) as queue:
        yield row(
            "queue", "sql(): p50 and p95 by task", queries(queue, stage.runs), "s", settings=_facts(count)
        )


def _facts(count: int) -> dict[str, object]:
    return {"finished": count, "tasks": TASKS}


def with_history(stage: Stage, count: int) -> str:
    """Return a file with so many finished jobs, written by SQL while nobody has it open."""
    path = stage.file()
    DuckQueue(path).close()
    with duckdb.connect(path) as connection:
        for statement in ROWS:
            names = {"tasks": TASKS, "start": START, "count": count}
            connection.execute(statement, {name: v for name, v in names.items() if f"${name}" in statement})
        connection.execute("CHECKPOINT")
    return path


def queries(queue: DuckQueue, runs: int) -> list[float]:
    """Return the seconds of each run of the query, after a warm-up; a job is enqueued before each."""
    found = []
    for _ in range(runs + 1):
        queue.enqueue(noop, (1,), check_backpressure=False)
        began = time.monotonic()
        answer = queue.sql(QUERY).fetchall()
        found.append(time.monotonic() - began)
        assert len(answer) == TASKS, answer
    return found[1:]
