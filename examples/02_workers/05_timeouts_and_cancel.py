"""A job that takes too long is interrupted, then killed; one that runs can be cancelled."""

import tempfile
import threading
import time

from queuack import DuckQueue, JobCancelledError, JobFailedError, Worker


def spin(marker: str) -> None:
    """Python code that never ends by itself."""
    open(marker, "w").close()
    while True:
        time.sleep(0.01)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, DuckQueue(f"{folder}/jobs.duckdb") as queue:
        worker = Worker(queue, processes=1)
        running = threading.Thread(target=worker.run)
        running.start()

        too_long = queue.enqueue(spin, args=(f"{folder}/1",), timeout_seconds=0.3, max_attempts=1)
        try:
            queue.wait(too_long, timeout=60)
        except JobFailedError as error:
            print("failed:", error.traceback.strip().splitlines()[-1].partition(":")[0].rpartition(".")[2])

        unwanted = queue.enqueue(spin, args=(f"{folder}/2",), timeout_seconds=None)
        while queue.get_job(unwanted).status != "claimed":
            time.sleep(0.01)
        queue.cancel(unwanted, reason="the customer left")
        try:
            queue.wait(unwanted, timeout=60)
        except JobCancelledError as error:
            print("cancelled:", error.message.rpartition(": ")[2])

        print("the worker goes on:", queue.wait(queue.enqueue(max, args=(3, 7)), timeout=60))
        worker.stop()
        running.join()


if __name__ == "__main__":
    main()

# Output:
# failed: JobTimeoutError
# cancelled: the customer left
# the worker goes on: 7
