"""A run that failed half-way goes on where it stopped, in another process, days later if need be."""

import subprocess
import sys
import tempfile
from pathlib import Path

from queuack import DAG, DAGRun, DuckQueue


def download(folder: str) -> str:
    with (Path(folder) / "downloads.log").open("a") as log:
        log.write("downloaded\n")
    return "data"


def parse(folder: str, context) -> str:
    if not (Path(folder) / "fixed").exists():
        raise ValueError("bad character in line 7")
    return context.upstream("download").upper()


def publish(context) -> str:
    return f"published {context.upstream('parse')}"


def first_try(folder: str) -> str:
    with DuckQueue(f"{folder}/jobs.duckdb") as queue:
        dag = DAG("nightly", queue)
        dag.add_node(download, args=(folder,))
        dag.add_node(parse, args=(folder,), depends_on="download", max_attempts=1)
        dag.add_node(publish, depends_on="parse")
        print("first try:", dag.execute(), {node["name"]: node["status"].value for node in dag.get_jobs()})
        return dag.dag_run_id


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run_id = first_try(folder)
        (Path(folder) / "fixed").touch()
        # Nothing but the run's id is needed to go on.
        command = [sys.executable, __file__, folder, run_id]
        print(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
        print("downloads:", len((Path(folder) / "downloads.log").read_text().splitlines()))


def go_on(folder: str, run_id: str) -> None:
    with DuckQueue(f"{folder}/jobs.duckdb") as queue:
        run = DAGRun(queue, run_id)
        print(run.resume(), "nodes come back;", run.execute(), run.results()["publish"])


if __name__ == "__main__":
    go_on(*sys.argv[1:]) if len(sys.argv) == 3 else main()

# Output:
# first try: False {'download': 'done', 'parse': 'failed', 'publish': 'skipped'}
# 2 nodes come back; True published DATA
# downloads: 1
