"""A file you don't trust: functions by name, arguments as JSON, nothing is ever unpickled."""

import tempfile

from queuack import DuckQueue, InvalidRequestError, JobFailedError


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/jobs.duckdb"
        with DuckQueue(path) as careless:  # somebody pickled a job into this file
            foreign = careless.enqueue(print, args=("pickled",), max_attempts=1)

        options = {"serialization": "json_ref", "allowed_modules": ["textwrap"]}
        with DuckQueue(path, workers_num=1, **options) as queue:
            import textwrap

            job = queue.enqueue(textwrap.shorten, args=("a queue in one file", 13))
            print(queue.wait(job, timeout=60))

            for name, func, args in (("a lambda", lambda: 1, ()), ("a tuple", textwrap.fill, ((1, 2),))):
                try:
                    queue.enqueue(func, args=args)
                except InvalidRequestError as error:
                    print(f"{name} is refused: {type(error).__name__}")
            try:
                queue.wait(foreign, timeout=60)
            except JobFailedError:
                print("the pickled job failed, unopened")


if __name__ == "__main__":
    main()

# Output:
# a queue [...]
# a lambda is refused: PayloadError
# a tuple is refused: PayloadError
# the pickled job failed, unopened
