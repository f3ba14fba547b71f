"""Putting an engine on the socket of its file: the one call that owners and inline engines share."""

from __future__ import annotations

from collections.abc import Callable

from queuack_store.sharing.ownership import Lock
from queuack_store.sharing.server import Engine, Server


def serve(
    engine: Engine, lock: Lock, *, stays: bool = True, note: Callable[[str], None] | None = None
) -> Server:
    """Serve an engine on the socket of the file whose lock is held; `Server.close` stops and frees both.

    Args:
        engine: a started engine.
        lock: from `ownership.take` or `adopt`.
        stays: False for an owner process, which leaves when its clients have gone.
        note: called with a line for the log.

    Raises:
        FileInUseError, StorageError: the socket can't be bound.
    """
    return Server(engine, lock, stays=stays, note=note or (lambda _line: None))
