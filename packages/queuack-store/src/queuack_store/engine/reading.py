"""The threads that read rows beside the engine, each kind apart: a slow query never holds up a refill."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from queuack_store.engine.applier import Applier
from queuack_store.engine.inbox import Inbox
from queuack_store.engine.lookup import Loaded
from queuack_store.engine.reads import Backend, Read, ReadBackup, ReadExport, ReadSql
from queuack_store.errors import QueuackError, StorageError

_THREADS = {"queuack-read": 2, "queuack-sql": 2, "queuack-copy": 1}

logger = logging.getLogger("queuack.engine")


class Reading:
    """Runs reads once the applier is as far as they ask; what they find goes to the inbox."""

    def __init__(self, backend: Backend, applier: Applier, inbox: Inbox) -> None:
        self._backend = backend
        self._applier = applier
        self._inbox = inbox
        self._pools: dict[str, ThreadPoolExecutor] = {}

    def start(self, token: int, read: Read) -> None:
        """Begin a read."""
        match read:
            case ReadSql():
                kind = "queuack-sql"
            case ReadBackup() | ReadExport():
                kind = "queuack-copy"
            case _:
                kind = "queuack-read"
        pool = self._pools.get(kind)
        if pool is None:
            pool = self._pools[kind] = ThreadPoolExecutor(_THREADS[kind], kind)
        pool.submit(self._read, token, read)

    def stop(self) -> None:
        """Cut off what still runs: nobody waits for it any more. The applier must have stopped."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        self._backend.end_reads()
        for pool in self._pools.values():
            pool.shutdown(wait=True)

    def _read(self, token: int, read: Read) -> None:
        try:
            after = getattr(read, "after_cycle", None)
            if after is not None:
                self._applier.wait_for(after)
            value: Any = self._backend.read(read)
        except QueuackError as error:
            value = error
        except Exception as error:
            logger.exception("a read failed")
            value = StorageError(f"reading failed: {type(error).__name__}: {error}")
        self._inbox.put(Loaded(token, value))
