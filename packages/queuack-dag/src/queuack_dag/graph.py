"""Questions about a graph, given as node → its parents: cycles, levels, paths. The only user of networkx."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Parents = Mapping[str, Sequence[str]]


def _digraph(parents: Parents) -> Any:
    import networkx  # a DAG that is only submitted needs none of it, and it takes long to import

    found = networkx.DiGraph()
    found.add_nodes_from(parents)
    found.add_edges_from((parent, child) for child, above in parents.items() for parent in above)
    return found


def find_cycle(parents: Parents) -> list[str]:
    """Return the nodes of one cycle in the order of its arrows, the first one again at the end; or []."""
    import networkx

    try:
        edges = networkx.find_cycle(_digraph(parents))
    except networkx.NetworkXNoCycle:
        return []
    return [edge[0] for edge in edges] + [edges[0][0]]


def levels(parents: Parents) -> list[list[str]]:
    """Return the nodes by level: each one's parents are all in earlier levels. For an acyclic graph."""
    import networkx

    place = {name: index for index, name in enumerate(parents)}
    found = networkx.topological_generations(_digraph(parents))
    return [sorted(level, key=place.__getitem__) for level in found]


def critical_path(parents: Parents) -> list[str]:
    """Return the longest path, counted in nodes. For an acyclic graph."""
    import networkx

    return list(networkx.dag_longest_path(_digraph(parents)))


def ancestors(parents: Parents, name: str) -> set[str]:
    """Return all nodes that `name` depends on, however indirectly."""
    import networkx

    return set(networkx.ancestors(_digraph(parents), name))


def descendants(parents: Parents, name: str) -> set[str]:
    """Return all nodes that depend on `name`, however indirectly."""
    import networkx

    return set(networkx.descendants(_digraph(parents), name))


def components(parents: Parents) -> int:
    """Return into how many parts without an edge between them the graph falls."""
    import networkx

    return int(networkx.number_weakly_connected_components(_digraph(parents)))


def longest_first(parents: Sequence[Iterable[int]]) -> list[int]:
    """Return the nodes, given by number with their parents' numbers, in critical-path order.

    Parents come before their children; otherwise the one with the longest path still to go comes first,
    then the one that was given first. By hand, for this is on the way of every submission.

    Raises:
        ValueError: the graph has a cycle.
    """
    children: list[list[int]] = [[] for _ in parents]
    waits = [0] * len(parents)
    for child, above in enumerate(parents):
        for parent in above:
            children[parent].append(child)
            waits[child] += 1
    order = [node for node, count in enumerate(waits) if not count]
    for node in order:  # grows while it is walked
        for child in children[node]:
            waits[child] -= 1
            if not waits[child]:
                order.append(child)
    if len(order) != len(parents):
        raise ValueError("the graph has a cycle")
    ahead = [0] * len(parents)
    for node in reversed(order):
        if children[node]:
            ahead[node] = 1 + max(map(ahead.__getitem__, children[node]))
    return sorted(range(len(parents)), key=lambda node: -ahead[node])
