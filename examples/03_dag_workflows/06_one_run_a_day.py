"""Whoever submits with the same `run_key` gets the run there is: twice a day makes one run, not two."""

import tempfile

from queuack import DAG, DAGRun, DuckQueue


def count_orders(day: str) -> str:
    return f"orders of {day}"


def submit(queue: DuckQueue, day: str) -> str:
    dag = DAG("daily", queue, run_key=f"daily-{day}")
    dag.add_node(count_orders, args=(day,))
    return dag.submit()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, DuckQueue(f"{folder}/jobs.duckdb") as queue:
        monday = submit(queue, "2026-11-23")
        again = submit(queue, "2026-11-23")  # cron ran twice, or somebody was impatient
        tuesday = submit(queue, "2026-11-24")
        print("monday once:", monday == again, "tuesday apart:", tuesday != monday)
        print("runs:", queue.sql("SELECT run_key FROM dag_runs ORDER BY run_key").fetchall())
        run = DAGRun.by_key(queue, "daily-2026-11-24")
        print(run.execute(), run.results())


if __name__ == "__main__":
    main()

# Output:
# monday once: True tuesday apart: True
# runs: [('daily-2026-11-23',), ('daily-2026-11-24',)]
# True {'count_orders': 'orders of 2026-11-24'}
