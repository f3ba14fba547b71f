"""A job tells how far it is and what it does; any process reads that while it runs, and SQL afterwards."""

import tempfile
import threading
import time
from pathlib import Path

from queuack import DuckQueue, TaskContext, Worker


def convert(pages: int, go_on: str, context: TaskContext) -> int:
    for page in range(1, pages + 1):
        context.progress(page, pages, f"page {page}")
        if page % 10 == 0:
            context.log(f"ten more, now at {page}")
        if page == 25:
            while not Path(go_on).exists():  # so that there is time to look
                time.sleep(0.01)
    return pages


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, DuckQueue(f"{folder}/jobs.duckdb") as queue:
        worker = Worker(queue, processes=1)
        running = threading.Thread(target=worker.run)
        running.start()
        job = queue.enqueue(convert, args=(40, f"{folder}/go-on"))

        while not (seen := queue.get_progress(job)) or seen.done < 25:
            time.sleep(0.05)
        print(f"while it runs: {seen.done:g} of {seen.total:g}, {seen.message}, {seen.fraction:.1%}")

        Path(folder, "go-on").touch()
        queue.wait(job, timeout=60)
        print("its log:", [line.message for line in queue.get_logs(job)])
        rows = queue.sql("SELECT done, total, message FROM job_progress").fetchall()
        print("in SQL:", rows)
        worker.stop()
        running.join()


if __name__ == "__main__":
    main()

# Output:
# while it runs: 25 of 40, page 25, 62.5%
# its log: ['ten more, now at 10', 'ten more, now at 20', 'ten more, now at 30', 'ten more, now at 40']
# in SQL: [(40.0, 40.0, 'page 40')]
