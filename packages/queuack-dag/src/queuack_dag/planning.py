"""What a submission would do: which nodes run, which have their results from an earlier run, and why."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec
from queuack_store import gathered, ids
from queuack_store.around import AROUND, unwrap
from queuack_store.errors import UnknownJobError
from queuack_store.jobs import JobResult
from queuack_store.payload import decode_result
from queuack_store.requests import GetResults, Sql
from queuack_store.states import DONE

from queuack_dag import caching, fingerprint
from queuack_dag.encoding import Encoding
from queuack_dag.facts import CacheFacts, StepFacts
from queuack_dag.mapping import items_of
from queuack_dag.plan import Layout, Step

if TYPE_CHECKING:
    from queuack_store.queue import DuckQueue

_RUN_OF = "SELECT id::VARCHAR, dag_run_id::VARCHAR FROM jobs WHERE id IN (SELECT unnest($jobs)::UUID)"
# The node in earlier runs, the latest first; of a map, the node that it goes over.
_BEFORE = """
SELECT p.payload, j.id::VARCHAR FROM (
    SELECT j.seq, j.id FROM jobs j JOIN dag_runs r ON r.id = j.dag_run_id
    WHERE j.node_name = $name AND r.name = $dag AND j.status = 'done' ORDER BY j.seq DESC LIMIT 20
) j JOIN job_payloads p ON p.seq = j.seq ORDER BY j.seq DESC, p.part
"""
_PARENTS = """
SELECT j.node_name, j.id::VARCHAR FROM job_dependencies d JOIN jobs j ON j.id = d.parent_id
WHERE d.child_id = $job::UUID ORDER BY d.position
"""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a submission would do with one node.

    Attributes:
        name: the node's; one of a sub-DAG's as "sub/node".
        action: "runs" or "cached".
        why: in words, such as "helper 'clean' changed".
        run_id: of what is cached, the run that computed it; of a map, that of its first item.
    """

    name: str
    action: str
    why: str
    run_id: str | None = None


def plan_of(queue: DuckQueue, found: Layout, encoding: Encoding) -> list[Planned]:
    """Return the plan, in the order in which the nodes were added."""
    planner = _Planner(queue, found, encoding)
    return [planner.decide(step) for step in found.steps if step.terminals is None]


class _Planner:
    def __init__(self, queue: DuckQueue, found: Layout, encoding: Encoding) -> None:
        self._queue = queue
        self._store = queue.store
        self._encoding = encoding
        self._steps = {step.id: step for step in found.steps}
        top = f"{found.runs[0].name}/"
        self._names = {step.id: encoding.path_of(step).removeprefix(top) for step in found.steps}
        self._dags = {run.id: run.name for run in found.runs}
        self._known: dict[bytes, Any] = {}  # the results of what is cached, and of jobs outside

    def decide(self, step: Step) -> Planned:
        name, cache = self._names[step.id], self._encoding.cache_of(step)
        if cache is None:
            return Planned(name, "runs", "it is not cached: cache=True makes it so")
        waits = [parent for parent in step.parents if not self._is_known(parent)]
        if waits:
            return Planned(
                name, "runs", f"parent {self._name_of(waits[0])!r} runs: decided when that has ended"
            )
        if cache.refresh:
            return Planned(name, "runs", "a refresh was asked for")
        if step.node.mapping is not None:
            return self._map(name, step, cache)
        key = caching.node_key(cache, self._prints(step.parents))
        recalled = caching.recall(self._store, cache, [key]).get(key)
        if recalled is None:
            return Planned(name, "runs", self._why(step, cache, [key]))
        self._known[step.id] = self._decoded(recalled.result)
        run = self._runs_of([recalled.origin]).get(recalled.origin)
        return Planned(name, "cached", "nothing that it depends on has changed", run)

    def _prints(self, parents: tuple[bytes, ...]) -> list[tuple[str, str]]:
        return [(self._name_of(parent), fingerprint.of_value(self._known[parent])) for parent in parents]

    def _map(self, name: str, step: Step, cache: CacheFacts) -> Planned:
        facts = self._encoding.map_of(self._steps[step.parents[0]], step)
        value = self._known[step.parents[0]]
        items = list(items_of(value, facts, self._store, self._queue.serialization))
        others = self._prints(step.parents[1:])
        of_item = caching.item_facts(cache)
        keys = (
            [caching.node_key(of_item(item), others) for item in items]
            if others
            else caching.item_keys(cache, items)
        )
        recalled = caching.recall(self._store, cache, keys)
        hits = sum(key in recalled for key in keys)
        if hits < len(keys):
            missing = [key for key in keys if key not in recalled]
            why = f"{len(missing):,} of its {len(keys):,} jobs run: " + self._why(step, cache, missing)
            return Planned(name, "runs", why)
        results = [self._decoded(recalled[key].result) for key in keys]
        batched = facts.batch is not None
        self._known[step.id] = [one for batch in results for one in batch] if batched else results
        origin = recalled[keys[0]].origin if keys else None
        run = None if origin is None else self._runs_of([origin]).get(origin)
        return Planned(name, "cached", f"all of its {len(keys):,} jobs are known", run)

    def _is_known(self, job: bytes) -> bool:
        """Return whether a parent's result is there now, and keep it."""
        if job in self._known:
            return True
        step = self._steps.get(job)
        if step is not None and step.terminals is not None:
            inside = {name: ids.to_raw(one) for name, one in step.terminals.items()}
            if not all(map(self._is_known, inside.values())):
                return False
            self._known[job] = {name: self._known[one] for name, one in inside.items()}
            return True
        if step is not None:
            return False
        try:
            (result,) = self._store.call(GetResults([job]))
        except UnknownJobError:
            return False
        if result.status == DONE:
            self._known[job] = self._resolved(result)
        return bool(result.status == DONE)

    def _name_of(self, job: bytes) -> str:
        step = self._steps.get(job)
        return ids.to_text(job) if step is None else step.node.name

    def _decoded(self, result: bytes | None) -> Any:
        return self._resolved(JobResult(b"", DONE, result))

    def _resolved(self, result: JobResult) -> Any:
        def decode(found: JobResult) -> Any:
            return decode_result(found.result, self._queue.serialization)

        return gathered.resolved(decode(result), self._store, decode)

    def _runs_of(self, jobs: list[bytes]) -> dict[bytes, str]:
        rows = self._store.call(Sql(_RUN_OF, {"jobs": [ids.to_text(job) for job in jobs]})).rows
        return {ids.to_raw(job): run for job, run in rows}

    def _why(self, step: Step, cache: CacheFacts, keys: list[bytes]) -> str:
        """Return what has changed since the node was last computed."""
        if cache.ttl_s is not None:
            forever = msgspec.structs.replace(cache, ttl_s=None)
            if caching.find(self._store, forever, keys):
                return f"what there is is older than its ttl of {cache.ttl_s:g} s"
        before = self._before(step)
        if before is None:
            return "no earlier run has computed it"
        job, old = before
        if changed := fingerprint.changes(old.code, cache.code):
            return ", ".join(changed)
        if old.args != cache.args:
            return "its arguments changed"
        if old.params != cache.params:
            return "the run's parameters changed"
        if step.node.mapping is not None:
            if len(step.parents) > 1:
                return "these items are new, or what they also wait for returned something else"
            return "these items are new"
        return self._changed_parent(step, job)

    def _before(self, step: Step) -> tuple[str, CacheFacts] | None:
        mapping = step.node.mapping
        name = step.node.name if mapping is None else mapping.over
        rows = self._store.call(Sql(_BEFORE, {"name": name, "dag": self._dags[step.run_id]})).rows
        for job, pieces in groupby(rows, key=lambda row: row[1]):
            raw = b"".join(piece for piece, _ in pieces)
            if not raw or raw[0] != AROUND:
                continue
            facts = msgspec.msgpack.decode(unwrap(raw)[1], type=StepFacts)
            found = facts.cache
            if mapping is not None:
                found = next((m.cache for m in facts.maps if m.like.node_name == step.node.name), None)
            if found is not None:
                return job, found
        return None

    def _changed_parent(self, step: Step, job: str) -> str:
        rows = self._store.call(Sql(_PARENTS, {"job": job})).rows
        then = {name or parent: ids.to_raw(parent) for name, parent in rows}
        now = {self._name_of(parent): parent for parent in step.parents}
        if then.keys() != now.keys():
            return "it has other parents"
        for name, parent in now.items():
            try:
                (old,) = self._store.call(GetResults([then[name]]))
            except UnknownJobError:
                continue
            if fingerprint.of_value(self._resolved(old)) != fingerprint.of_value(self._known[parent]):
                return f"parent {name!r} returned something else"
        return "its earlier result is gone"
