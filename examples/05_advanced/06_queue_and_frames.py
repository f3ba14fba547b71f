"""The history as a polars frame, and joined with a table of your own in DuckDB on your side."""

import duckdb
import polars
from queuack import DuckQueue

prices = polars.DataFrame({"task": ["resize", "transcribe"], "cents_per_run": [1, 20]})


def resize(n: int) -> int:
    return n


def transcribe(n: int) -> str:
    return "quack " * n


def main() -> None:
    with DuckQueue(":memory:", workers_num=2) as queue:
        jobs = queue.enqueue_batch([(resize, (n,)) for n in range(30)], queue="default")
        jobs += queue.enqueue_batch([(transcribe, (n,)) for n in range(4)])
        queue.wait_all(jobs, timeout=60)

        runs = queue.sql("SELECT split_part(task, ':', 2) AS task, count(*) AS runs FROM jobs GROUP BY ALL")
        print(runs.pl().sort("task").rows())

        history = runs.arrow()  # DuckDB finds it by its name, like any table
        bill = duckdb.sql("SELECT sum(runs * cents_per_run)::INT FROM history JOIN prices USING (task)")
        print("cents:", bill.fetchall()[0][0], "for", history.num_rows, "tasks")


if __name__ == "__main__":
    main()

# Output:
# [('resize', 30), ('transcribe', 4)]
# cents: 110 for 2 tasks
