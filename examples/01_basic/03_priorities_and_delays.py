"""Urgent jobs go first, equal ones in order of arrival, delayed ones when their time has come."""

from queuack import DuckQueue

order: list[str] = []


def note(what: str) -> None:
    order.append(what)


def main() -> None:
    with DuckQueue(":memory:") as queue:
        later = queue.enqueue(note, args=("delayed",), delay_seconds=0.5, priority=100)
        queue.enqueue(note, args=("normal, first",))
        queue.enqueue(note, args=("normal, second",))
        queue.enqueue(note, args=("background",), priority=10)
        queue.enqueue(note, args=("urgent",), priority=90)

        stats = queue.stats()
        print(f"{stats['pending']} pending, {stats['delayed']} delayed")

        queue.start_workers(num_workers=1)  # only now: so that the order shows
        queue.wait(later, timeout=30)
        print("\n".join(order))


if __name__ == "__main__":
    main()

# Output:
# 4 pending, 1 delayed
# urgent
# normal, first
# normal, second
# background
# delayed
