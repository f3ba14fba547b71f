"""A small live dashboard on the terminal: depth by queue, run times and errors, from `queues` and `sql`."""

import random
import time

from queuack import DuckQueue
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

ERRORS = (
    "SELECT queue, error, count(*) FROM jobs WHERE status = 'failed' GROUP BY ALL ORDER BY 3 DESC, 1 LIMIT 5"
)
RATES = """
    SELECT j.queue, count(*), 1000 * median(a.duration_seconds)
    FROM job_attempts a JOIN jobs j ON j.id = a.job_id WHERE a.outcome = 'done' GROUP BY ALL
"""


def work(n: int) -> None:
    time.sleep(random.random() / 200)
    if n % 40 == 0:
        raise RuntimeError("unlucky")


def picture(queue: DuckQueue) -> Group:
    rates = {name: (done, ms) for name, done, ms in queue.sql(RATES)}
    depth = Table("queue", "pending", "running", "done", "failed", "median ms")
    for name, counts in sorted(queue.queues().items()):
        figures = [f"{counts[state]:,}" for state in ("pending", "claimed", "done", "failed")]
        depth.add_row(name, *figures, f"{rates.get(name, (0, 0))[1]:.1f}")
    errors = Table("queue", "error", "times")
    for name, error, times in queue.sql(ERRORS):
        errors.add_row(name, error, str(times))
    return Group(depth, errors)


def main() -> None:
    with DuckQueue(":memory:", workers_num=4) as queue:
        jobs = queue.enqueue_batch([(work, (n,)) for n in range(1, 401)], max_attempts=1)
        with Live(picture(queue), console=Console(width=72), refresh_per_second=4) as live:
            while queue.stats()["done"] + queue.stats()["failed"] < len(jobs):
                time.sleep(0.25)
                live.update(picture(queue))
            live.update(picture(queue))


if __name__ == "__main__":
    main()

# Output:
# …
# │ default │ 0       │ 0       │ 390  │ 10     │ …
# …
# │ default │ RuntimeError: unlucky │ 10    │
# …
