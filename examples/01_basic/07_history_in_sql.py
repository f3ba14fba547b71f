"""Everything that ever ran is one SQL query away, while workers run."""

import zlib

from queuack import DuckQueue


def compress(size: int) -> int:
    return len(zlib.compress(bytes(range(256)) * size))


def check(size: int) -> None:
    if size % 2:
        raise ValueError("odd")


def main() -> None:
    with DuckQueue(":memory:", workers_num=2) as queue:
        jobs = queue.enqueue_batch([(compress, (n,)) for n in range(1, 21)])
        jobs += queue.enqueue_batch([(check, (n,)) for n in range(10)], max_attempts=1)
        last = queue.enqueue(print, args=("all have ended",), depends_on=jobs, dependency_mode="always")
        queue.wait(last, timeout=60)

        rows = queue.sql(
            """
            SELECT split_part(task, ':', 2) AS task, status, count(*) AS jobs, min(error) AS error
            FROM jobs WHERE task LIKE '__main__:%' GROUP BY ALL ORDER BY ALL
            """
        )
        for row in rows:
            print(*row)
        slow = queue.sql("SELECT count(*) FROM job_attempts WHERE duration_seconds > ?", [60])
        print("attempts over a minute:", slow.fetchall()[0][0])


if __name__ == "__main__":
    main()

# Output:
# all have ended
# check done 5 None
# check failed 5 ValueError: odd
# compress done 20 None
# attempts over a minute: 0
