"""A plain `async def` is a job: one worker runs a hundred of them at once. The queue can be awaited, too."""

import asyncio

from queuack import DuckQueue, async_task

running = 0
most = 0


async def call_slow_service(n: int) -> int:
    global running, most
    running += 1
    most = max(most, running)
    await asyncio.sleep(0.2)
    running -= 1
    return n


@async_task
async def double(n: int) -> int:  # callable like a plain function, here and as a job
    await asyncio.sleep(0)
    return 2 * n


async def main() -> None:
    with DuckQueue(":memory:", workers_num=1) as queue:
        jobs = [await queue.aenqueue(call_slow_service, (n,)) for n in range(50)]
        results = await asyncio.gather(*(queue.await_result(job, timeout=60) for job in jobs))
        print("sum:", sum(results), "more than ten at once:", most > 10)
        print(await queue.await_result(await queue.aenqueue(double, (21,)), timeout=60))


if __name__ == "__main__":
    asyncio.run(main())
    print(double(4))

# Output:
# sum: 1225 more than ten at once: True
# 42
# 8
