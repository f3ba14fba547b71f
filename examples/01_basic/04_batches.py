"""Ten thousand jobs in one step: all of them are stored, or none."""

import threading

from queuack import DuckQueue, PayloadError


def square(n: int) -> int:
    return n * n


def main() -> None:
    with DuckQueue(":memory:", workers_num=2) as queue:
        try:
            queue.enqueue_batch([(square, (1,)), (square, (threading.Lock(),))])  # a lock can't travel
        except PayloadError:
            print("refused; stored:", sum(queue.stats().values()))

        jobs = queue.enqueue_batch([(square, (n,), {}) for n in range(10_000)])
        print("stored:", len(jobs))
        print("sum of squares:", sum(queue.wait_all(jobs, timeout=60)))


if __name__ == "__main__":
    main()

# Output:
# refused; stored: 0
# stored: 10000
# sum of squares: 333283335000
