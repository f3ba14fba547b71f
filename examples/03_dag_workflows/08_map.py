"""One job per item of what a node returned: how many there are is known only when it has run."""

import tempfile
from pathlib import Path

from queuack import DAG, DuckQueue


def list_files(folder: str) -> list[str]:
    return sorted(str(path) for path in Path(folder).iterdir())


def measure(path: str) -> int:
    text = Path(path).read_text()
    if not text:
        raise ValueError("an empty file")
    return len(text)


def add_up(context) -> str:
    sizes = context.upstream("measure")  # a list, in the order of the items
    return f"{sum(sizes)} characters in {len(sizes)} files"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, DuckQueue(":memory:") as queue:
        for n in range(20):
            Path(folder, f"{n:02}.txt").write_text("quack " * n)  # the first is empty
        dag = DAG("sizes", queue)
        dag.add_node(list_files, args=(folder,))
        dag.map(measure, over="list_files", min_success=0.9, max_attempts=1)
        dag.add_node(add_up, depends_on="measure")
        print("every job succeeded:", dag.execute())
        print(dag.results()["add_up"])
        rows = queue.sql(
            "SELECT status, count(*) FROM jobs WHERE task LIKE '%measure' GROUP BY ALL ORDER BY ALL"
        )
        print(rows.fetchall())


if __name__ == "__main__":
    main()

# Output:
# every job succeeded: False
# 1140 characters in 19 files
# [('done', 19), ('failed', 1)]
