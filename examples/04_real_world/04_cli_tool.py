"""A command-line tool of your own around a queue: `add` files, `work` on them, `report` what was found.

    python 04_cli_tool.py --db words.duckdb add FILE...
    python 04_cli_tool.py --db words.duckdb work
    python 04_cli_tool.py --db words.duckdb report

Without arguments it shows itself on the files of this folder.
"""

import argparse
import sys
import tempfile
import threading
from pathlib import Path

from queuack import DuckQueue, Worker


def count_lines(path: str) -> tuple[str, int]:
    return Path(path).name, len(Path(path).read_text().splitlines())


def add(queue: DuckQueue, files: list[str]) -> None:
    queue.enqueue_batch([(count_lines, (str(Path(file).resolve()),)) for file in files])
    print(f"added {len(files)}")


def work(queue: DuckQueue) -> None:
    """Work until nothing waits."""
    jobs = [str(row[0]) for row in queue.sql("SELECT id FROM jobs WHERE completed_at IS NULL")]
    worker = Worker(queue, concurrency=4)
    running = threading.Thread(target=worker.run)
    running.start()
    queue.wait_all(jobs)
    worker.stop()
    running.join()
    print(f"worked on {len(jobs)}")


def report(queue: DuckQueue) -> None:
    jobs = [str(row[0]) for row in queue.sql("SELECT id FROM jobs WHERE status = 'done' ORDER BY seq")]
    for name, lines in queue.wait_all(jobs):
        print(f"{lines:>6,} {name}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--db", default="words.duckdb")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("add").add_argument("files", nargs="+")
    commands.add_parser("work")
    commands.add_parser("report")
    options = parser.parse_args(arguments)
    with DuckQueue(options.db) as queue:
        if options.command == "add":
            add(queue, options.files)
        else:
            {"work": work, "report": report}[options.command](queue)
    return 0


def show() -> None:
    here = sorted(str(path) for path in Path(__file__).parent.glob("0[12]*.py"))
    with tempfile.TemporaryDirectory() as folder:
        for arguments in (["add", *here], ["work"], ["report"]):
            main(["--db", f"{folder}/words.duckdb", *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) if len(sys.argv) > 1 else show())

# Output:
# added 2
# worked on 2
#     … 01_web_scraping.py
#     … 02_etl.py
