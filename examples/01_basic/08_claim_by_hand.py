"""A worker of your own: claim a job, run it, say how it went. Each `Job` can run itself."""

import tempfile

from queuack import ClaimLostError, DuckQueue


def double(n: int) -> int:
    return 2 * n


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/jobs.duckdb"
        with DuckQueue(path) as queue, DuckQueue(path) as stranger:
            queue.enqueue_batch([(double, (n,)) for n in range(3)])

            first = queue.claim()
            try:
                stranger.ack(first.id, result="mine!")  # a claim is its handle's, nobody else's
            except ClaimLostError:
                print("a stranger's answer is refused")
            queue.ack(first.id, result=first.execute())

            second = queue.claim()
            queue.nack(second.id)  # hand it back: no attempt was spent
            print("after nack:", queue.get_job(second.id).attempts, "attempts")

            for job in queue.claim_batch(count=10):
                queue.ack(job.id, result=job.execute())
            print(
                "done:", queue.stats()["done"], "results:", [queue.get_result(j.id) for j in (first, second)]
            )


if __name__ == "__main__":
    main()

# Output:
# a stranger's answer is refused
# after nack: 0 attempts
# done: 3 results: [0, 2]
