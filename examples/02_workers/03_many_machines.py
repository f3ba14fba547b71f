"""Workers for several machines' worth of processes on one file; one is killed, and nothing is lost or stuck.

Three `queuack-worker` commands with two processes each share the queue. In the middle of the work the first
is killed, supervisor and all, as an operator or the kernel would. Its jobs go to the others at once.
"""

import random
import subprocess
import tempfile
import time

from queuack import DuckQueue

JOBS = 300


def simulate(seed: int) -> tuple[int, int]:
    """Return how far from the start a random walk of 10,000 steps ends."""
    dice = random.Random(seed)
    time.sleep(0.005)  # and wait for something
    return seed, sum(dice.choice((-1, 1)) for _ in range(10_000))


def start_worker(db: str, label: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["queuack-worker", db, "--processes", "2", "--worker-id", label, "--log-level", "error"]
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        db = f"{folder}/jobs.duckdb"
        with DuckQueue(db) as queue:
            workers = [start_worker(db, f"machine-{n}") for n in (1, 2, 3)]
            warm_up = queue.enqueue_batch([(simulate, (n,)) for n in range(60)])
            queue.wait_all(warm_up, timeout=60)

            jobs = queue.enqueue_batch([(simulate, (n,)) for n in range(JOBS)])
            queue.wait(jobs[10], timeout=60)
            workers[0].kill()
            results = queue.wait_all(jobs, timeout=60)
            print(len(results), "results, in order:", [seed for seed, _ in results] == list(range(JOBS)))

            rows = queue.sql("SELECT status, count(*) FROM jobs GROUP BY ALL ORDER BY ALL").fetchall()
            print(rows)
            for worker in workers[1:]:
                worker.terminate()  # SIGTERM drains
            print("exit codes:", [worker.wait() for worker in workers])


if __name__ == "__main__":
    main()

# Output:
# 300 results, in order: True
# [('done', 360)]
# exit codes: [-9, 0, 0]
