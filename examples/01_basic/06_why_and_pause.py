"""Ask a job why it is not running; hold a queue and let it go on."""

from queuack import DuckQueue


def work() -> str:
    return "worked"


def main() -> None:
    with DuckQueue(":memory:") as queue:
        first = queue.enqueue(work)
        child = queue.enqueue(work, depends_on=first)
        tomorrow = queue.enqueue(work, delay_seconds=86_400)
        queue.pause()
        for name, job in (("first", first), ("child", child), ("tomorrow", tomorrow)):
            print(f"{name}: {queue.why(job)['text']}")

        queue.resume()
        queue.cancel(tomorrow, reason="not needed")
        queue.start_workers(num_workers=1)
        print("child:", queue.wait(child, timeout=30))
        print("tomorrow:", queue.get_job(tomorrow).status.value)


if __name__ == "__main__":
    main()

# Output:
# first: queue 'default' is paused: resume it
# child: it waits for 1 parent(s): …
# tomorrow: it is delayed for another 86400.0 s
# child: worked
# tomorrow: cancelled
