"""Several queues on one worker: the heavier is always served first."""

import threading

from queuack import DuckQueue, Worker

order: list[str] = []


def note(what: str) -> None:
    order.append(what)


def main() -> None:
    with DuckQueue(":memory:") as queue:
        for n in (1, 2):
            queue.enqueue(note, args=(f"report {n}",), queue="reports")
            queue.enqueue(note, args=(f"mail {n}",), queue="mail")
            queue.enqueue(note, args=(f"payment {n}",), queue="payments")
        for name, counts in sorted(queue.queues().items()):
            print(name, counts["pending"])

        worker = Worker(queue, queues=[("payments", 100), ("mail", 50), ("reports", 10)])
        running = threading.Thread(target=worker.run)
        running.start()
        queue.wait(queue.enqueue(note, args=("last",), queue="reports"), timeout=60)
        worker.stop()
        running.join()
        print(*order, sep=", ")


if __name__ == "__main__":
    main()

# Output:
# mail 2
# payments 2
# reports 2
# payment 1, payment 2, mail 1, mail 2, report 1, report 2, last
