"""Prefect: a flow that submits its tasks to the thread runner, with a server of its own and SQLite."""

from __future__ import annotations

import os

os.environ |= {
    "PREFECT_HOME": os.path.join(os.environ["PEER_FOLDER"], "prefect"),
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
}

from prefect import flow, task
from shapes import Graph, report


@task
def noop() -> int:
    return 1


@flow
def whole(graph: Graph) -> None:
    made: dict[str, object] = {}
    for name, parents in graph:
        made[name] = noop.submit(wait_for=[made[parent] for parent in parents])
    for future in made.values():
        future.wait()  # type: ignore[attr-defined]


def run(graph: Graph) -> None:
    whole(graph)


if __name__ == "__main__":
    report(run)
