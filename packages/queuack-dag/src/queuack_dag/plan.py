"""From a blueprint to what is stored: one list of jobs and runs, in critical-path order. Pure.

A sub-DAG is unfolded into the same list: its first nodes wait for what its node waits for, and its node
becomes a job behind its last ones, which gathers their results. So nothing ever waits inside a worker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
from queuack_store import ids
from queuack_store.errors import InvalidRequestError
from queuack_store.jobs import NewJob, NewRun
from queuack_store.payload import CallEncoder
from queuack_store.requests import MAX_BATCH_BYTES, MAX_BATCH_JOBS

from queuack_dag import graph
from queuack_dag.blueprint import Blueprint
from queuack_dag.node import Node
from queuack_dag.subdags import gather


@dataclass(slots=True)
class Step:
    """One job to be: a node in its place, with its parents' ids."""

    id: bytes
    node: Node
    run_id: bytes
    parents: tuple[bytes, ...]
    mode: str
    terminals: dict[str, str] | None = None  # of the sub-DAG whose results it gathers


@dataclass(slots=True)
class Layout:
    """A DAG with its sub-DAGs unfolded. blueprints: which run is which blueprint's."""

    run_id: bytes
    steps: list[Step] = field(default_factory=list)
    runs: list[NewRun] = field(default_factory=list)
    blueprints: list[tuple[bytes, Blueprint]] = field(default_factory=list)


class Facts(msgspec.Struct, omit_defaults=True):
    """What is kept with a run: of a sub-DAG's, the job that gathers its results."""

    job: bytes | None = None


def facts_of(stored: bytes | None) -> Facts:
    """Return what was kept with a run; nothing where another program made it."""
    if not stored:
        return Facts()
    try:
        return msgspec.msgpack.decode(stored, type=Facts)
    except msgspec.MsgspecError:
        return Facts()


def layout(blueprint: Blueprint, run_id: bytes, key: str | None = None) -> Layout:
    """Unfold a blueprint.

    Raises:
        DAGValidationError: it can't be run; see `Blueprint.check`.
    """
    blueprint.check()
    found = Layout(run_id)
    found.runs.append(NewRun(run_id, blueprint.name, blueprint.description, None, key))
    _unfold(found, blueprint, run_id, (), "all", fresh=False)
    return found


def _unfold(
    into: Layout, blueprint: Blueprint, run_id: bytes, gate: tuple[bytes, ...], gate_mode: str, fresh: bool
) -> dict[str, bytes]:
    # Recursion is as deep as DAGs were nested by hand. Returns the job of each node by name.
    into.blueprints.append((run_id, blueprint))
    nodes = blueprint.nodes
    jobs = {name: ids.new_id() if fresh else node.id for name, node in nodes.items()}
    for name, node in nodes.items():
        parents = tuple(jobs[p] if isinstance(p, str) else p for p in node.parents)
        mode = node.settings.mode
        if gate and not any(isinstance(p, str) for p in node.parents):
            mode = mode if parents else gate_mode
            parents = (*parents, *gate)
        if node.inner is None:
            into.steps.append(Step(jobs[name], node, run_id, parents, mode))
        else:
            _unfold_inner(into, node, node.inner, jobs[name], run_id, parents, mode, fresh)
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
) -> None:
    inner_run = ids.new_id()
    into.runs.append(
        NewRun(inner_run, inner.name, inner.description, run_id, None, msgspec.msgpack.encode(Facts(job)))
    )
    inside = _unfold(into, inner, inner_run, parents, mode, fresh or node.fresh)
    terminals = {name: ids.to_text(inside[name]) for name in _without_children(inner)}
    ends = tuple(inside[name] for name in _open_ends(inner))
    into.steps.append(Step(job, node, run_id, ends, "all", terminals))


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


def encode(found: Layout, default_queue: str, serialization: str) -> list[NewJob]:
    """Return the jobs of a layout in critical-path order, calls encoded.

    Raises:
        PayloadError: a function or argument can't be stored.
        InvalidRequestError: over the limits of one request: 100,000 jobs, 64 MB of calls.
    """
    steps = found.steps
    if len(steps) > MAX_BATCH_JOBS:
        raise InvalidRequestError(
            f"the DAG has {len(steps):,} nodes; one run holds at most {MAX_BATCH_JOBS:,}: split it",
            limit=MAX_BATCH_JOBS,
        )
    place = {step.id: number for number, step in enumerate(steps)}
    order = graph.longest_first([[place[p] for p in step.parents if p in place] for step in steps])
    encoders: dict[int, CallEncoder] = {}  # a function that goes by value is pickled once
    made: list[NewJob] = []
    size = 0
    for number in order:
        job = _job(steps[number], default_queue, serialization, encoders)
        size += len(job.payload)
        made.append(job)
    if size > MAX_BATCH_BYTES:
        raise InvalidRequestError(
            f"the arguments of the DAG's nodes take {size:,} bytes; one run holds at most "
            f"{MAX_BATCH_BYTES:,}: write data to files and pass their paths",
            limit=MAX_BATCH_BYTES,
        )
    return made


def _job(step: Step, default_queue: str, serialization: str, encoders: dict[int, CallEncoder]) -> NewJob:
    node, settings = step.node, step.node.settings
    func: Any = node.func
    args, kwargs = node.args, node.kwargs
    if step.terminals is not None:
        func, args, kwargs = gather, (step.terminals,), None
    encoder = encoders.get(id(func))
    if encoder is None:
        encoder = encoders[id(func)] = CallEncoder(serialization)
    task, payload = encoder.encode(func, args, kwargs)
    return NewJob(
        step.id, task, payload, settings.queue or default_queue, settings.priority, settings.max_attempts,
        settings.timeout_s, 0.0, step.parents, step.mode, node.name, step.run_id, settings.retry,
    )  # fmt: skip
