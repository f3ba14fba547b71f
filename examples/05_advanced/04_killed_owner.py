"""Kill the process that owns the file in the middle of the work: another takes over, nothing is lost.

DuckDB lets one process write. That process runs none of your code, and any client can start it again.
"""

import os
import signal
import subprocess
import tempfile
from pathlib import Path

from queuack import DuckQueue


def work(n: int) -> int:
    return n * n


def owner_of(db: str) -> int:
    return int(Path(f"{db}.lock").read_text().split()[0])  # the lock file says who holds it


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        db = f"{folder}/jobs.duckdb"
        with DuckQueue(db) as queue:
            jobs = queue.enqueue_batch([(work, (n,)) for n in range(5_000)])
            worker = subprocess.Popen(["queuack-worker", db, "--processes", "2", "--log-level", "error"])
            queue.wait(jobs[500], timeout=60)

            first = owner_of(db)
            os.kill(first, signal.SIGKILL)
            jobs += queue.enqueue_batch(
                [(work, (n,)) for n in range(5_000, 10_000)]
            )  # as if nothing had happened

            print("results:", queue.wait_all(jobs, timeout=60) == [n * n for n in range(10_000)])
            print("another owner:", owner_of(db) != first)
            worker.terminate()
            worker.wait()


if __name__ == "__main__":
    main()

# Output:
# results: True
# another owner: True
