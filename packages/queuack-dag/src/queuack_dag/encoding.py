"""From steps to jobs: calls encoded, with what the worker has to do around them, in critical-path order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec
from queuack_store import ids
from queuack_store.around import wrap
from queuack_store.errors import InvalidRequestError
from queuack_store.jobs import NewJob, NewRun
from queuack_store.payload import CallEncoder, encode_result
from queuack_store.requests import MAX_BATCH_BYTES, MAX_BATCH_JOBS
from queuack_worker.facts import RunFacts

from queuack_dag import caching, fingerprint, graph
from queuack_dag.facts import CacheFacts, MapFacts, StepFacts
from queuack_dag.mapping import STEP, collect
from queuack_dag.params import takes_context
from queuack_dag.plan import Layout, Step
from queuack_dag.subdags import gather

MAX_TASKS = 500  # functions of one DAG whose code is noted with the run

Extra = Mapping[int, dict[str, Any]]


class Encoding:
    """Encodes the steps of one layout.

    Args:
        default_queue, serialization: of the DuckQueue that it goes to.
        params: of the run. extra: the arguments that they come to, by the id() of the node.
        refresh: names of nodes whose earlier results are not to be used; True: of all.
    """

    def __init__(
        self,
        found: Layout,
        default_queue: str,
        serialization: str,
        params: Mapping[str, Any] | None = None,
        extra: Extra | None = None,
        refresh: bool | Collection[str] = False,
    ) -> None:
        self._found = found
        self._queue = default_queue
        self._serialization = serialization
        self._params = dict(params or {})
        self._params_print = fingerprint.of_value(self._params) if self._params else ""
        self._extra = extra or {}
        self._refresh = refresh
        self._encoders: dict[int, CallEncoder] = {}  # a function that goes by value is pickled once
        self._code: dict[int, dict[str, str]] = {}
        self._paths = dict(self._run_paths())

    def _run_paths(self) -> list[tuple[bytes, str]]:
        names = {run.id: (run.name, run.parent_id) for run in self._found.runs}
        paths = []
        for run_id in names:
            path, above = [], run_id
            while above in names:
                name, parent = names[above]
                path.append(name)
                above = parent or b""
            paths.append((run_id, "/".join(reversed(path))))
        return paths

    def jobs(self) -> list[NewJob]:
        """Return the jobs in critical-path order.

        Raises:
            PayloadError: a function or argument can't be stored.
            InvalidRequestError: over the limits of one request: 100,000 jobs, 64 MB of calls.
        """
        steps = self._found.steps
        if len(steps) > MAX_BATCH_JOBS:
            raise InvalidRequestError(
                f"the DAG has {len(steps):,} nodes; one run holds at most {MAX_BATCH_JOBS:,}: split it",
                limit=MAX_BATCH_JOBS,
            )
        place = {step.id: number for number, step in enumerate(steps)}
        order = graph.longest_first([[place[p] for p in step.parents if p in place] for step in steps])
        made: list[NewJob] = []
        size = 0
        for number in order:
            job = self._job(steps[number])
            size += len(job.payload)
            made.append(job)
        if size > MAX_BATCH_BYTES:
            raise InvalidRequestError(
                f"the arguments of the DAG's nodes take {size:,} bytes; one run holds at most "
                f"{MAX_BATCH_BYTES:,}: write data to files and pass their paths",
                limit=MAX_BATCH_BYTES,
            )
        return made

    def runs(self) -> list[NewRun]:
        """Return the runs, the first with what is kept of it: parameters and code."""
        top, *below = self._found.runs
        code: dict[str, dict[str, str]] = {}
        for step in self._found.steps:
            func = step.node.func
            if func is not None and len(code) < MAX_TASKS:
                code[self._encoder(func).template(func)[0]] = self.code_of(func)
        params = (
            encode_result(self._params, self._serialization, "the run's parameters") if self._params else None
        )
        facts = msgspec.msgpack.encode(RunFacts(params=params, code=code))
        return [msgspec.structs.replace(top, facts=facts), *below]

    def code_of(self, func: Callable[..., Any]) -> dict[str, str]:
        """Return the fingerprints of a function's code, taken once."""
        code = self._code.get(id(func))
        if code is None:
            code = self._code[id(func)] = fingerprint.of_code(func)
        return code

    def _encoder(self, func: Callable[..., Any]) -> CallEncoder:
        encoder = self._encoders.get(id(func))
        if encoder is None:
            encoder = self._encoders[id(func)] = CallEncoder(self._serialization)
        return encoder

    def _job(self, step: Step) -> NewJob:
        node, settings = step.node, step.node.settings
        func: Any = node.func
        args, kwargs = node.args, self.kwargs_of(step)
        if step.terminals is not None:
            func, args, kwargs = gather, (step.terminals,), None
        if node.mapping is not None:
            needed = [ids.to_text(p) for p in step.parents] if node.mapping.min_success < 1 else []
            run = ids.to_text(step.items_run or b"")
            func, kwargs = collect, None
            args = (node.name, run, needed, node.mapping.min_success, node.mapping.batch is not None)
        task, payload = self._encoder(func).encode(func, args, kwargs)
        cache = self.cache_of(step) if node.mapping is None else None
        if step.maps or node.fill or cache is not None:
            maps = [self.map_of(step, one) for one in step.maps]
            verify = None if cache is None else _verify(cache, payload)
            facts = StepFacts(self._serialization, node.fill, maps, cache=cache, verify=verify)
            payload = wrap(payload, STEP, msgspec.msgpack.encode(facts))
        return NewJob(
            step.id, task, payload, settings.queue or self._queue, settings.priority, settings.max_attempts,
            settings.timeout_s, 0.0, step.parents, step.mode, node.name, step.run_id, settings.retry,
        )  # fmt: skip

    def kwargs_of(self, step: Step) -> dict[str, Any] | None:
        """Return a node's keyword arguments, with those that the run's parameters come to."""
        extra = self._extra.get(id(step.node))
        return step.node.kwargs if not extra else {**(step.node.kwargs or {}), **extra}

    def path_of(self, step: Step) -> str:
        """Return the names of the runs around a node and its own, from the top, with slashes between."""
        return f"{self._paths[step.run_id]}/{step.node.name}"

    def cache_of(self, step: Step) -> CacheFacts | None:
        """Return what a cached node depends on, beside its parents' results; None for other nodes."""
        node = step.node
        if node.caching is None or node.func is None:
            return None
        refresh = self._refresh if isinstance(self._refresh, bool) else node.name in self._refresh
        args = fingerprint.of_value((node.args, self.kwargs_of(step) or {}))
        params = self._params_print if takes_context(node.func) else ""
        return CacheFacts(
            self.path_of(step), self.code_of(node.func), args, params, node.caching.ttl_s, refresh
        )

    def map_of(self, source: Step, step: Step) -> MapFacts:
        """Return what the worker of `source` needs to know of the map `step`."""
        node, settings = step.node, step.node.settings
        assert node.func is not None
        assert step.items_run is not None
        task, head = self._encoder(node.func).template(node.func)
        others = step.parents[1:]
        like = NewJob(
            b"", task, head, settings.queue or self._queue, settings.priority, settings.max_attempts,
            settings.timeout_s, 0.0, others, "all", node.name, None, settings.retry,
        )  # fmt: skip
        facts = RunFacts(step.id, items=True, root=self._found.run_id)
        run = NewRun(step.items_run, node.name, None, step.run_id, None, msgspec.msgpack.encode(facts))
        more = self.kwargs_of(step) or {}
        args = encode_result([list(node.args), more], self._serialization) if node.args or more else None
        cache = self.cache_of(step)
        verify = None if cache is None else _verify(cache, head)
        return MapFacts(
            like,
            run,
            step.id,
            source.id,
            args,
            None if node.mapping is None else node.mapping.batch,
            cache,
            verify,
            node.fill,
        )


def _verify(cache: CacheFacts, payload: bytes) -> bytes | None:
    # What goes by value is the submitter's own code, wherever it runs.
    return None if payload[:1] == b"V" else caching.code_key(cache.code)
