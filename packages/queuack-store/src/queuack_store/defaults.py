"""The process's default queue, for programs that need only one."""

from __future__ import annotations

import os
import threading

from queuack_store import names
from queuack_store.errors import InvalidRequestError
from queuack_store.queue import DEFAULT_DB_PATH, DuckQueue

# A text of its own, so that "no path was given" differs from the same path given.
_UNSAID = DEFAULT_DB_PATH[:-1] + DEFAULT_DB_PATH[-1:]
_lock = threading.Lock()
_queue: DuckQueue | None = None


def get_default_queue(db_path: str | os.PathLike[str] = _UNSAID) -> DuckQueue:
    """Return the process's default queue, opening it on the first call ("duckqueue.db" in this folder).

    Later calls return the same one, with the same path or none.

    Raises:
        InvalidRequestError: it is open on another path; close it first or make a `DuckQueue`.
    """
    global _queue
    with _lock:
        if _queue is None or _queue.closed:
            _queue = DuckQueue(db_path)
        elif db_path is not _UNSAID and names.database_path(db_path) != _queue.db_path:
            raise InvalidRequestError(
                f"the default queue is open on {_queue.db_path}, not {os.fspath(db_path)}: call "
                "close_default_queue() first, or open a DuckQueue of its own",
                open=_queue.db_path,
            )
        return _queue


def close_default_queue() -> None:
    """Close the default queue where there is one; the next `get_default_queue` opens it anew."""
    global _queue
    with _lock:
        queue, _queue = _queue, None
    if queue is not None:
        queue.close()
