"""Luigi: local scheduler, one worker; a node is done when its target file exists."""

from __future__ import annotations

import logging
import os
import tempfile

import luigi
from shapes import Graph, report

logging.disable(logging.CRITICAL)
parents_of: dict[str, list[str]] = {}


class Noop(luigi.Task):
    folder = luigi.Parameter()
    name = luigi.Parameter()

    def requires(self) -> list[luigi.Task]:
        return [Noop(folder=self.folder, name=parent) for parent in parents_of[self.name]]

    def output(self) -> luigi.LocalTarget:
        return luigi.LocalTarget(os.path.join(self.folder, self.name))

    def run(self) -> None:
        with self.output().open("w") as file:
            file.write("1")


def run(graph: Graph) -> None:
    parents_of.clear()
    parents_of.update(graph)
    folder = tempfile.mkdtemp(dir=os.environ["PEER_FOLDER"])
    has_children = {parent for _, parents in graph for parent in parents}
    leaves = [Noop(folder=folder, name=name) for name, _ in graph if name not in has_children]
    if not luigi.build(leaves, local_scheduler=True, workers=1, log_level="CRITICAL"):
        raise SystemExit("Luigi did not finish the graph")


if __name__ == "__main__":
    report(run)
