"""`@job` gives a function a `.delay()`; it stays a function."""

from queuack import DuckQueue, job

queue = DuckQueue(":memory:")


@job(queue, priority=80, max_attempts=5)
def send_mail(to: str, subject: str = "hello") -> str:
    return f"sent {subject!r} to {to}"


def main() -> None:
    print(send_mail("ann@example.org"))  # here and now
    with queue:
        queue.start_workers(num_workers=1)
        sent = send_mail.delay("bob@example.org", subject="ducks")  # by a worker
        print(queue.wait(sent, timeout=30))
        stored = queue.get_job(sent)
        print(stored.priority, stored.max_attempts, stored.status.value)


if __name__ == "__main__":
    main()

# Output:
# sent 'hello' to ann@example.org
# sent 'ducks' to bob@example.org
# 80 5 done
