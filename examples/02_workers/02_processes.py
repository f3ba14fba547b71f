"""Workers as processes, for work that keeps a core busy; `queuack-worker DB --processes 2` does the same."""

import os
import tempfile
import threading

from queuack import DuckQueue, Worker


def primes_below(limit: int) -> tuple[int, int]:
    """Return how many there are, and the process that counted them."""
    sieve = bytearray([1]) * limit
    sieve[:2] = b"\0\0"
    for n in range(2, int(limit**0.5) + 1):
        if sieve[n]:
            sieve[n * n :: n] = bytes(len(range(n * n, limit, n)))
    return sum(sieve), os.getpid()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, DuckQueue(f"{folder}/jobs.duckdb") as queue:
        worker = Worker(queue, processes=2)
        running = threading.Thread(target=worker.run)  # run() blocks; a program of its own just calls it
        running.start()
        jobs = queue.enqueue_batch([(primes_below, (limit,)) for limit in (10, 1_000, 100_000, 1_000_000)])
        results = queue.wait_all(jobs, timeout=60)
        print("primes:", [count for count, _ in results])
        print("counted in this process:", os.getpid() in {pid for _, pid in results})
        worker.stop()  # drains: what runs is finished, the rest goes back
        running.join()


if __name__ == "__main__":
    main()

# Output:
# primes: [4, 168, 9592, 78498]
# counted in this process: False
