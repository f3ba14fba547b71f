"""One job, one worker, one result."""

from queuack import DuckQueue


def greet(name: str) -> str:
    return f"hello, {name}"


def main() -> None:
    # ":memory:" is private to this process. Give it a path, and any number of processes share it.
    with DuckQueue(":memory:", workers_num=1) as queue:
        job = queue.enqueue(greet, args=("duck",))
        print(queue.wait(job, timeout=30))


if __name__ == "__main__":
    main()

# Output:
# hello, duck
