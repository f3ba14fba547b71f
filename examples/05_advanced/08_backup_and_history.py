"""Back up a queue while it works, and export its history as Parquet for other tools."""

import tempfile

import polars
from queuack import DuckQueue


def work(n: int) -> int:
    return n


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        with DuckQueue(f"{folder}/jobs.duckdb", workers_num=2) as queue:
            queue.wait_all(queue.enqueue_batch([(work, (n,)) for n in range(100)]), timeout=60)
            queue.enqueue(work, args=(100,), delay_seconds=3_600)
            rows = queue.backup(f"{folder}/backup.duckdb")
            print("backed up:", rows["jobs"], "jobs")
            queue.export_history(f"{folder}/history")

        with DuckQueue(f"{folder}/backup.duckdb") as restored:  # a queue like any other
            stats = restored.stats()
            print("in the backup:", stats["done"], "done,", stats["delayed"], "delayed")

        ended = polars.scan_parquet(f"{folder}/history/jobs").select("status", "task").collect()
        print("exported:", ended.height, ended["status"].unique().to_list())


if __name__ == "__main__":
    main()

# Output:
# backed up: 101 jobs
# in the backup: 100 done, 1 delayed
# exported: 100 ['done']
