"""What a job may say instead of a result: later, not any more, never again; and which errors to retry."""

import tempfile
from pathlib import Path

from queuack import Cancel, Discard, DuckQueue, JobError, Snooze, retry_rules


def wait_for_file(path: str):
    if not Path(path).exists():
        Path(path).touch()  # somebody else would
        return Snooze(0.1)  # look again in 0.1 s; no attempt is spent
    return "it is there"


def greet(user: str):
    return Cancel(f"{user} has left") if user == "bob" else f"hello {user}"


def parse(text: str):
    return float(text) if text[:1].isdigit() else Discard(f"{text!r} will never be a number")


@retry_rules(no_retry_on=KeyError)
def look_up(name: str) -> int:
    return {"ann": 1}[name]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, DuckQueue(":memory:", workers_num=1) as queue:
        for func, arg in ((wait_for_file, f"{folder}/file"), (greet, "bob"), (parse, "x"), (look_up, "zoe")):
            job = queue.enqueue(func, args=(arg,), max_attempts=5, retry_delay=0.05)
            try:
                said = repr(queue.wait(job, timeout=60))
            except JobError as error:
                said = error.message.partition(" ")[2].partition(" ")[2]
            stored = queue.get_job(job)
            print(f"{func.__name__}: {stored.status.value} after {stored.attempts} attempt(s): {said}")


if __name__ == "__main__":
    main()

# Output:
# wait_for_file: done after 1 attempt(s): 'it is there'
# greet: cancelled after 1 attempt(s): was cancelled: bob has left
# parse: failed after 1 attempt(s): failed: 'x' will never be a number
# look_up: failed after 1 attempt(s): failed: KeyError: 'zoe'
