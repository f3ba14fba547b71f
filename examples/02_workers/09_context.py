"""A parameter named `context` tells a job who it is, and lets it use the queue: here it makes more jobs."""

from queuack import DuckQueue, TaskContext, get_context


def crawl(depth: int, context: TaskContext) -> list[str]:
    if depth == 0:
        return []
    return [context.queue.enqueue(crawl, args=(depth - 1,)) for _ in range(2)]


def who_am_i() -> bool:
    return get_context() is not None  # anywhere below a job, without a parameter


def main() -> None:
    with DuckQueue(":memory:", workers_num=2) as queue:
        level = [queue.enqueue(crawl, args=(3,))]
        while level:
            print(len(level), "jobs")
            level = [child for children in queue.wait_all(level, timeout=60) for child in children]
        print("inside a job:", queue.wait(queue.enqueue(who_am_i), timeout=60), "outside:", get_context())


if __name__ == "__main__":
    main()

# Output:
# 1 jobs
# 2 jobs
# 4 jobs
# 8 jobs
# inside a job: True outside: None
