"""What is kept with a run of a DAG, beside its row: plain facts that its jobs and its readers ask for."""

from __future__ import annotations

import msgspec


class RunFacts(msgspec.Struct, omit_defaults=True):
    """The facts of one run.

    job: of a run below another, the job there that gathers its results. items: it holds the items of a map.
    root: the run at the top, where it is not this one. params: the run's parameters, encoded as a result
    is. code: per task, the fingerprints of its function and of what that uses, by their names.
    """

    job: bytes | None = None
    items: bool = False
    root: bytes | None = None
    params: bytes | None = None
    code: dict[str, dict[str, str]] = {}


def facts_of(stored: bytes | None) -> RunFacts:
    """Return what was kept with a run; nothing where another program made it."""
    if not stored:
        return RunFacts()
    try:
        return msgspec.msgpack.decode(stored, type=RunFacts)
    except msgspec.MsgspecError:
        return RunFacts()
