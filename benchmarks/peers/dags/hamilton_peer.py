"""Hamilton: functions of a module made for the graph, run by its driver in one thread; nothing on disk."""

from __future__ import annotations

from hamilton import ad_hoc_utils, driver
from shapes import Graph, report


def run(graph: Graph) -> None:
    code = "\n".join(
        f"def {name}({', '.join(f'{parent}: int' for parent in parents)}) -> int:\n    return 1\n"
        for name, parents in graph
    )
    module = ad_hoc_utils.module_from_source(code)
    has_children = {parent for _, parents in graph for parent in parents}
    leaves = [name for name, _ in graph if name not in has_children]
    driver.Builder().with_modules(module).build().execute(leaves)


if __name__ == "__main__":
    report(run)
