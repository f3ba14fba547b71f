"""Where no process may be started (a sandbox, a frozen application): the owner lives in yours."""

import subprocess
import sys
import tempfile

from queuack import DuckQueue

OTHER = "import sys; from queuack import DuckQueue; print(DuckQueue(sys.argv[1]).stats()['done'])"


def shout(text: str) -> str:
    return text.upper()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        db = f"{folder}/jobs.duckdb"
        with DuckQueue(db, owner="inline", workers_num=1) as queue:
            print(queue.wait(queue.enqueue(shout, args=("inline",)), timeout=60))
            # Others reach the file all the same, through this process.
            other = subprocess.run(
                [sys.executable, "-c", OTHER, db], capture_output=True, text=True, check=True
            )
            print("another process sees", other.stdout.strip(), "done")
        with DuckQueue(db) as queue:  # and later an owner of its own may have it
            print("later:", queue.stats()["done"])


if __name__ == "__main__":
    main()

# Output:
# INLINE
# another process sees 1 done
# later: 1
