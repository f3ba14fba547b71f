"""The two graphs that every workflow engine runs, and how its figure is printed. Standard library only."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

Graph = list[tuple[str, list[str]]]  # name and parents, parents first
LAYERS = 10
LAYERED = "1,000 nodes in 10 layers, 3 parents each"  # as in targets.json, whatever the count in the settings
CHAINED = "chain of 1,000"


def layers(count: int) -> Graph:
    """`count` nodes in 10 layers; each has 3 parents in the layer above."""
    width = count // LAYERS
    return [
        (f"n{layer}_{i}", [f"n{layer - 1}_{(i + j) % width}" for j in range(3)] if layer else [])
        for layer in range(LAYERS)
        for i in range(width)
    ]


def chain(count: int) -> Graph:
    """`count` nodes, one after the other."""
    return [(f"n{i}", [f"n{i - 1}"] if i else []) for i in range(count)]


def report(run: Callable[[Graph], None]) -> None:
    """Time `run`, which builds and runs a graph, on both shapes after a warm-up; print ms per node."""
    count = int(sys.argv[1])
    run(chain(10))
    found = {}
    for name, shape in ((LAYERED, layers), (CHAINED, chain)):
        graph = shape(count)
        began = time.perf_counter()
        run(graph)
        found[name] = (time.perf_counter() - began) * 1_000 / len(graph)
    print(json.dumps(found))
