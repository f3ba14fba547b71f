"""What travels with a node's call to the worker that runs it: plain structures, no code."""

from __future__ import annotations

import msgspec
from queuack_store.jobs import NewJob, NewRun


class CacheFacts(msgspec.Struct, omit_defaults=True):
    """Of a node whose result may come from an earlier run: what it depends on beside its parents' results.

    node: its place, "dag/node". code: the fingerprints of its function and of what that uses, by name.
    args, params: fingerprints of its arguments and of the run's parameters. ttl_s: how old a result may be
    (None: any). refresh: run it anyway.
    """

    node: str
    code: dict[str, str]
    args: str
    params: str = ""
    ttl_s: float | None = None
    refresh: bool = False


class Recalled(msgspec.Struct):
    """A result from an earlier run: its bytes, its key, when it was computed, and by which job."""

    result: bytes | None
    key: bytes
    made_at: float
    origin: bytes


class MapFacts(msgspec.Struct, omit_defaults=True):
    """What the worker of a node needs to know of a map over its result.

    like: an item's job without id; its payload is the head of all items' calls. run: the items'. job: the
    one that collects. source: the node's job. args: the further arguments, encoded as a result is. verify,
    fill: see `StepFacts`.
    """

    like: NewJob
    run: NewRun
    job: bytes
    source: bytes
    args: bytes | None = None
    batch: int | None = None
    cache: CacheFacts | None = None
    verify: bytes | None = None
    fill: bool = False


class StepFacts(msgspec.Struct, omit_defaults=True):
    """What stands around one call.

    fill: its arguments hold places for parents' results. maps: that go over its result. batched: its first
    argument is a list, to call the function with each of. memo: the key of its result, where that is known
    beforehand. recalled: its result, which makes the call unnecessary. verify: the key of the function's
    code where the worker imports that itself; with another one its result is not kept. counted: how many of
    its parents its result depends on, from the first (None: all); the others only open the way.
    """

    serialization: str
    fill: bool = False
    maps: list[MapFacts] = []
    batched: bool = False
    cache: CacheFacts | None = None
    memo: bytes | None = None
    recalled: Recalled | None = None
    verify: bytes | None = None
    counted: int | None = None
