"""A job that fails is tried again, then becomes a dead letter, and can be revived."""

import tempfile
from pathlib import Path

from queuack import DuckQueue, JobFailedError


def fetch(flag: str) -> str:
    if not Path(flag).exists():
        raise ConnectionError("the service is down")
    return "fetched"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, DuckQueue(":memory:", workers_num=1) as queue:
        flag = Path(folder) / "service-is-up"
        job = queue.enqueue(fetch, args=(str(flag),), max_attempts=3, retry_delay=0.1)
        try:
            queue.wait(job, timeout=30)
        except JobFailedError as error:
            print("failed:", error.traceback.strip().splitlines()[-1])

        print("attempts:", [attempt["outcome"] for attempt in queue.attempts(job)])
        print("dead letters:", len(queue.list_dead_letters()))

        flag.touch()  # the service is back
        queue.retry_job(job)
        print("retried:", queue.wait(job, timeout=30))
        print("dead letters:", len(queue.list_dead_letters()))


if __name__ == "__main__":
    main()

# Output:
# failed: ConnectionError: the service is down
# attempts: ['failed', 'failed', 'failed']
# dead letters: 1
# retried: fetched
# dead letters: 0
