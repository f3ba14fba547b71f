"""Backpressure with limits of your own: a producer that is too fast is warned, then told to wait."""

import warnings

from queuack import BackpressureError, DuckQueue


class SmallQueue(DuckQueue):
    @classmethod
    def backpressure_warning_threshold(cls) -> int:
        return 50

    @classmethod
    def backpressure_block_threshold(cls) -> int:
        return 100


def work(n: int) -> int:
    return n


def main() -> None:
    with SmallQueue(":memory:") as queue, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        jobs: list[str] = []
        try:
            while True:
                jobs.append(queue.enqueue(work, args=(len(jobs),)))
        except BackpressureError as error:
            print(f"refused after {len(jobs)} jobs; trying again can help: {error.retryable}")
        print("warnings:", len(caught))

        urgent = queue.enqueue(work, args=(-1,), priority=100, check_backpressure=False)
        queue.start_workers(num_workers=2)
        queue.wait_all(jobs, timeout=60)
        print("urgent:", queue.wait(urgent, timeout=60))
        print("room again:", queue.wait(queue.enqueue(work, args=(7,)), timeout=60))


if __name__ == "__main__":
    main()

# Output:
# refused after 100 jobs; trying again can help: True
# warnings: 1
# urgent: -1
# room again: 7
