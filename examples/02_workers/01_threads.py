"""Workers as threads of your process: enough where jobs wait for the network or the disk."""

import time

from queuack import DuckQueue, WorkerPool

here: set[str] = set()
met: list[str] = []


def visit(name: str) -> None:
    here.add(name)
    while len(here) < 4:  # goes on when four of these run at the same time
        time.sleep(0.01)
    met.append(name)  # a function of this script shares its globals with worker threads


def main() -> None:
    with DuckQueue(":memory:") as queue, WorkerPool(queue, num_workers=4):
        jobs = [queue.enqueue(visit, args=(name,)) for name in ("ann", "bob", "cleo", "dan")]
        queue.wait_all(jobs, timeout=60)
        print("met:", *sorted(met))


if __name__ == "__main__":
    main()

# Output:
# met: ann bob cleo dan
