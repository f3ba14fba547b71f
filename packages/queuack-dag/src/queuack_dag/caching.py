"""Results of earlier runs, found by what they depend on: code, arguments, parameters, parents' results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from queuack_store import ids
from queuack_store.clock import wall
from queuack_store.errors import UnknownJobError
from queuack_store.jobs import JobResult, Memo
from queuack_store.requests import GetResults, Sql
from queuack_store.states import DONE
from queuack_store.store import Store
from queuack_worker.context import TaskContext
from queuack_worker.events import log

from queuack_dag import fingerprint
from queuack_dag.facts import CacheFacts, Recalled

_FIND = """
SELECT key, max(job_id::VARCHAR), epoch(max(made_at)), arg_max(origin_id, made_at)::VARCHAR FROM job_memos
WHERE key IN (SELECT unnest($keys)) AND epoch(made_at) >= $since GROUP BY key
"""
KEYS_AT_ONCE = 10_000
MAX_KNOWN_CODE = 10_000
RESULTS_AT_ONCE = 200


class Found(NamedTuple):
    """A memo: a job that has the result, when that was computed, and by which job."""

    job: str
    made_at: float
    origin: str


def static_key(facts: CacheFacts) -> bytes:
    """Return the key of all that is known of a node before its parents have ended."""
    return fingerprint.joined([facts.node, facts.args, facts.params, code_key(facts.code)])


def node_key(facts: CacheFacts, parents: Iterable[tuple[str, str]]) -> bytes:
    """Return the key of a node, given its parents' (name, fingerprint of the result)."""
    return fingerprint.joined([static_key(facts), *(part for pair in sorted(parents) for part in pair)])


def item_keys(facts: CacheFacts, items: Iterable[Any]) -> list[bytes]:
    """Return the keys of items of a map, or of batches of them."""
    static = static_key(facts)
    return [fingerprint.joined([static, fingerprint.of_value(item)]) for item in items]


def item_facts(facts: CacheFacts) -> Callable[[Any], CacheFacts]:
    """Return what tells of an item of a map, or a batch, what it depends on beside what it also waits for."""
    code = {"map": static_key(facts).hex()}

    def of_item(item: Any) -> CacheFacts:
        args = fingerprint.of_value(item)
        return CacheFacts(facts.node, code, args, ttl_s=facts.ttl_s, refresh=facts.refresh)

    return of_item


def find(store: Store, facts: CacheFacts, keys: Sequence[bytes]) -> dict[bytes, Found]:
    """Return what there is under these keys, where it is not older than the node's ttl."""
    if facts.refresh:
        return {}
    since = 0.0 if facts.ttl_s is None else wall() - facts.ttl_s
    found: dict[bytes, Found] = {}
    for start in range(0, len(keys), KEYS_AT_ONCE):
        part = list(keys[start : start + KEYS_AT_ONCE])
        for key, job, made_at, origin in store.call(Sql(_FIND, {"keys": part, "since": since})).rows:
            found[bytes(key)] = Found(job, made_at, origin)
    return found


def recall(store: Store, facts: CacheFacts, keys: Sequence[bytes]) -> dict[bytes, Recalled]:
    """Return the results that there are under these keys."""
    found = find(store, facts, keys)
    every = list(found.items())
    recalled: dict[bytes, Recalled] = {}
    for start in range(0, len(every), RESULTS_AT_ONCE):
        part = every[start : start + RESULTS_AT_ONCE]
        for (key, memo), result in zip(part, _results(store, [m.job for _, m in part]), strict=True):
            if result is not None and result.status == DONE:
                recalled[key] = Recalled(result.result, key, memo.made_at, ids.to_raw(memo.origin))
    return recalled


def _results(store: Store, jobs: list[str]) -> list[JobResult | None]:
    wanted = [ids.to_raw(job) for job in jobs]
    try:
        return list(store.call(GetResults(wanted)))
    except UnknownJobError:  # one was purged a moment ago
        if len(jobs) == 1:
            return [None]
        return [result for job in jobs for result in _results(store, [job])]


def memo_of(recalled: Recalled) -> Memo:
    """Return the memo of a job that took an earlier result."""
    return Memo(recalled.key, recalled.made_at, recalled.origin)


def usable(code: bytes, func: Callable[..., Any]) -> bool:
    """Return whether this process has the very code that a node was submitted with."""
    if _code_here(func) == code:
        return True
    log.warning(
        "%s was submitted with other code than this worker has imported: it runs, and its result is not kept "
        "for later runs; restart the worker",
        getattr(func, "__qualname__", func),
    )
    return False


def code_key(code: dict[str, str]) -> bytes:
    """Return one key of a function's fingerprints."""
    return fingerprint.joined(part for pair in sorted(code.items()) for part in pair)


@lru_cache(MAX_KNOWN_CODE)
def _code_here(func: Callable[..., Any]) -> bytes:
    return code_key(fingerprint.of_code(func))


def key_here(facts: CacheFacts, context: TaskContext, counted: int | None) -> bytes:
    """Return the key of the running job, whose parents have ended; the first `counted` of them matter."""
    pairs = list(zip(context.get_parent_names(), context.get_parent_results(), strict=True))[:counted]
    return node_key(facts, [(name, fingerprint.of_value(value)) for name, value in pairs])
