"""`retry_task` calls again within an attempt, for errors that pass soon; `timed_task` logs the time."""

import logging
import sys

from queuack import DuckQueue, retry_task, timed_task

calls = 0


@timed_task
@retry_task(max_attempts=4, delay=0.05, backoff=2.0)
def flaky() -> str:
    global calls
    calls += 1
    if calls < 3:
        raise TimeoutError("no answer")
    return f"answered at call {calls}"


def main() -> None:
    logging.basicConfig(stream=sys.stdout, format="log: %(message)s")
    logging.getLogger("queuack.tasks").setLevel(logging.INFO)
    with DuckQueue(":memory:", workers_num=1) as queue:
        job = queue.enqueue(flaky, max_attempts=1)
        print(queue.wait(job, timeout=60))
        print("attempts of the job:", queue.get_job(job).attempts)


if __name__ == "__main__":
    main()

# Output:
# log: flaky took 0.… s
# answered at call 3
# attempts of the job: 1
