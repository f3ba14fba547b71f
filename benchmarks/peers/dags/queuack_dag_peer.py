"""queuack: durable, one request for the plan, run in threads of this process."""

from __future__ import annotations

import os

from queuack_dag import DAG
from queuack_store import DuckQueue
from shapes import Graph, report


def noop() -> int:
    return 1


def run(graph: Graph) -> None:
    dag = DAG("bench", queue)
    for name, parents in graph:
        dag.add_node(noop, name, depends_on=parents or None)
    if not dag.execute():
        raise SystemExit(f"the run ended {dag.status}")


if __name__ == "__main__":
    with DuckQueue(os.path.join(os.environ["PEER_FOLDER"], "jobs.duckdb")) as queue:
        report(run)
