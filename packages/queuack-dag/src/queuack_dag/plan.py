"""From a blueprint to steps and runs: sub-DAGs unfolded, maps tied to what they go over. Pure.

A sub-DAG is unfolded into the same list: its first nodes wait for what its node waits for, and its node
becomes a job behind its last ones, which gathers their results. So nothing ever waits inside a worker.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import msgspec
from queuack_store import ids
from queuack_store.jobs import NewRun
from queuack_worker.facts import RunFacts

from queuack_dag.blueprint import Blueprint
from queuack_dag.errors import DAGValidationError
from queuack_dag.node import Node


@dataclass(slots=True)
class Step:
    """One job to be: a node in its place, with its parents' ids."""

    id: bytes
    node: Node
    run_id: bytes
    parents: tuple[bytes, ...]
    mode: str
    terminals: dict[str, str] | None = None  # of the sub-DAG whose results it gathers
    maps: list[Step] = field(default_factory=list)  # that go over its result
    items_run: bytes | None = None  # of a map: the run of its items


@dataclass(slots=True)
class Layout:
    """A DAG with its sub-DAGs unfolded. blueprints: which run is which blueprint's."""

    run_id: bytes
    name: str
    steps: list[Step] = field(default_factory=list)
    runs: list[NewRun] = field(default_factory=list)
    blueprints: list[tuple[bytes, Blueprint]] = field(default_factory=list)


def layout(blueprint: Blueprint, run_id: bytes, key: str | None = None) -> Layout:
    """Unfold a blueprint.

    Raises:
        DAGValidationError: it can't be run; see `Blueprint.check`; or it is nested too deep for Python.
    """
    blueprint.check()
    found = Layout(run_id, blueprint.name)
    found.runs.append(NewRun(run_id, blueprint.name, blueprint.description, None, key))
    try:
        _unfold(found, blueprint, run_id, (), "all", fresh=False)
    except RecursionError:
        raise DAGValidationError(
            f"the sub-DAGs of DAG {blueprint.name!r} are nested too deep for Python's recursion limit "
            f"({sys.getrecursionlimit()}): nest less, or raise it with sys.setrecursionlimit()",
            nodes=[],
        ) from None
    return found


def _unfold(
    into: Layout, blueprint: Blueprint, run_id: bytes, gate: tuple[bytes, ...], gate_mode: str, fresh: bool
) -> dict[str, bytes]:
    # Recursion is as deep as DAGs were nested by hand. Returns the job of each node by name.
    into.blueprints.append((run_id, blueprint))
    nodes = blueprint.nodes
    jobs = {name: ids.new_id() if fresh else node.id for name, node in nodes.items()}
    made: dict[str, Step] = {}
    for name, node in nodes.items():
        parents = tuple(jobs[p] if isinstance(p, str) else p for p in node.parents)
        mode = node.settings.mode
        if gate and not any(isinstance(p, str) for p in node.parents):
            mode = mode if parents else gate_mode
            parents = (*parents, *gate)
        if node.inner is not None:
            step = _unfold_inner(into, node, node.inner, jobs[name], run_id, parents, mode, fresh)
        else:
            step = Step(jobs[name], node, run_id, parents, mode)
        if node.mapping is not None:
            step.items_run = ids.new_id()
            made[node.mapping.over].maps.append(step)
            if node.mapping.min_success < 1:
                step.mode = "always"  # it waits for all its items, and decides itself
        made[name] = step
        into.steps.append(step)
    return jobs


def _unfold_inner(
    into: Layout,
    node: Node,
    inner: Blueprint,
    job: bytes,
    run_id: bytes,
    parents: tuple[bytes, ...],
    mode: str,
    fresh: bool,
) -> Step:
    inner_run = ids.new_id()
    facts = msgspec.msgpack.encode(RunFacts(job, root=into.run_id))
    into.runs.append(NewRun(inner_run, inner.name, inner.description, run_id, None, facts))
    inside = _unfold(into, inner, inner_run, parents, mode, fresh or node.fresh)
    terminals = {name: ids.to_text(inside[name]) for name in _without_children(inner)}
    ends = tuple(inside[name] for name in _open_ends(inner))
    return Step(job, node, run_id, ends, "all", terminals)


def _without_children(blueprint: Blueprint) -> list[str]:
    above = {p for node in blueprint.nodes.values() for p in node.parents if isinstance(p, str)}
    return [name for name in blueprint.nodes if name not in above]


def _open_ends(blueprint: Blueprint) -> list[str]:
    # The nodes that nobody waits for to the end: when all of these have ended, everything has.
    # A child under "any" may start, and end, while a parent still runs.
    awaited = {
        parent
        for node in blueprint.nodes.values()
        if node.settings.mode != "any" or len(node.parents) == 1
        for parent in node.parents
        if isinstance(parent, str)
    }
    return [name for name in blueprint.nodes if name not in awaited]
