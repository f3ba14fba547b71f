"""From a path to a store: the only file that knows the backends and the ways to reach an engine."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from queuack_store import ids
from queuack_store.errors import InvalidRequestError, StoreClosedError
from queuack_store.store import Store

if TYPE_CHECKING:
    from queuack_store.clock import Clock
    from queuack_store.engine.journalling import Probe
    from queuack_store.engine.loop import Engine

MEMORY = ":memory:"
OWNERS = ("process", "inline")
EXIT_S = 5.0  # how long the end of this process waits for its engines; what takes longer is cut off


def open_store(db_path: str, owner: str = "process", name: str = "", clock: Clock | None = None) -> Store:
    """Open a session on the queue at `db_path`.

    owner: "process" reaches (or starts) the file's owner process; "inline" makes this process the
    owner where nobody is. `clock` is for tests, and only for engines of this process.

    Raises:
        InvalidRequestError: no such kind of path or owner. StorageError, OwnerError: it can't be opened.
    """
    if owner not in OWNERS:
        raise InvalidRequestError(f"owner={owner!r}: give one of {', '.join(map(repr, OWNERS))}", owner=owner)
    if "://" in db_path:
        scheme = db_path.split("://", 1)[0]
        raise InvalidRequestError(
            f"{scheme}:// is not a backend of this version: give the path of a DuckDB file or ':memory:'",
            scheme=scheme,
        )
    if db_path == MEMORY:
        return _open_memory(name, clock)
    from queuack_store.sharing.places import Place

    place = Place(db_path)
    local = _inline.join(place, name)
    if local is not None:
        return local
    if owner == "inline":
        local = _inline.begin(place, name, clock)
        if local is not None:
            return local
    from queuack_store.sharing.client import connect

    store: Store = connect(place, name)
    return store


def open_engine(
    path: str | None,
    clock: Clock | None = None,
    probe: Probe | None = None,
    on_fatal: Callable[[BaseException], None] | None = None,
) -> Engine:
    """Open the file (or memory), recover what the journal holds, and start the engine.

    Only for the process that holds the file's lock.
    """
    from queuack_store.clock import SystemClock
    from queuack_store.duckdb.database import open_database
    from queuack_store.engine.journalling import Journal, MemoryJournal, no_probe
    from queuack_store.engine.loop import Engine
    from queuack_store.sharing.peers import is_gone

    clock, probe = clock or SystemClock(), probe or no_probe
    if path is not None:
        _refuse_orphan_journal(path)
    backend = open_database(path, clock, probe)
    journal: Journal = MemoryJournal()
    tail: Any = ()
    try:
        if path is not None:
            from queuack_store.journal import open_journal

            journal, tail = open_journal(path, backend.database_id, backend.cycle, probe)
        engine = Engine(backend, journal, tail, clock, probe, on_fatal, lambda info: not is_gone(info))
        engine.start()
    except BaseException:
        journal.abandon()
        backend.close()
        raise
    return engine


def _refuse_orphan_journal(path: str) -> None:
    """Refuse a journal whose database is gone: an empty queue would hide acknowledged jobs."""
    from queuack_store.errors import DamagedJournalError
    from queuack_store.journal import journal_files

    if os.path.exists(path):
        return
    found = journal_files(path)
    if found:
        raise DamagedJournalError(
            f"{path} is missing, but its journal {found[0]} is there: put the database back, or move the "
            "journal away to begin an empty queue; nothing was changed",
            path=path,
        )


def _open_memory(name: str, clock: Clock | None) -> Store:
    from queuack_store.engine.local import LocalStore
    from queuack_store.sharing.forking import let_go_in_child
    from queuack_store.sharing.peers import this_session

    engine = open_engine(None, clock)
    _in_memory.add(engine)
    _end_with_process()
    store = LocalStore(engine, this_session(ids.new_id(), name), engine.stop, _refuse_in_child)
    let_go_in_child(engine)
    let_go_in_child(store)
    return store


def _refuse_in_child() -> Store:
    raise StoreClosedError(
        "a queue in memory stays with the process that opened it: give a forked child a file to share"
    )


class _Inline:
    """The engines of this process that own a file, by (device, inode), with their sessions counted.

    One lock for all: who opens a file that is just being closed waits until it is free.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._engines: dict[tuple[int, int], _Owned] = {}
        self._parents: dict[tuple[int, int], _Owned] = {}

    def join(self, place: Any, name: str) -> Store | None:
        """Return a session on this process's engine of the file, or None where it has none."""
        with self._lock:
            owned = self._engines.get(place.identity() or (0, 0))
            if owned is None:
                return None
            if owned.engine.failed:  # the thread that retires it may not have come to it yet
                self._retire(owned)
                return None
            return self._session(owned, name)

    def begin(self, place: Any, name: str, clock: Clock | None) -> Store | None:
        """Become the owner of the file; None where another process is."""
        from queuack_store.sharing.forking import let_go_in_child
        from queuack_store.sharing.ownership import take

        let_go_in_child(self)
        with self._lock:
            lock = take(place)
            if lock is None:
                return None
            try:
                owned = _Owned(place, lock, clock, self._failed)
            except BaseException:
                lock.release()
                raise
            self._engines[owned.identity] = owned
            _end_with_process()
            try:
                return self._session(owned, name)
            except BaseException:
                self._retire(owned)
                raise

    def end(self, timeout: float) -> None:
        """Let every engine end in order, as far as it gets in `timeout` seconds."""
        for owned in list(self._engines.values()):
            owned.end(timeout)

    def forked(self) -> None:
        """Own nothing, in a forked child: the files stay with the parent, and the child is its client."""
        self._parents = self._engines  # nothing of them is ever destroyed here
        self._lock, self._engines = threading.RLock(), {}

    def _session(self, owned: _Owned, name: str) -> Store:
        session = owned.session(name, lambda: self._left(owned))
        owned.sessions += 1
        return session

    def _left(self, owned: _Owned) -> None:
        with self._lock:
            owned.sessions -= 1
            if owned.sessions == 0:
                self._retire(owned)

    def _failed(self, owned: _Owned) -> None:
        """An engine is ending for a fault: free the file, so that the next to open it can recover it."""

        def retire() -> None:
            with self._lock:
                self._retire(owned)

        # Not in the engine's own thread, which closes the file only after this call.
        threading.Thread(target=retire, name="queuack-retire", daemon=True).start()

    def _retire(self, owned: _Owned) -> None:
        if self._engines.get(owned.identity) is owned:
            del self._engines[owned.identity]
            owned.retire()


class _Owned:
    """One inline engine: it serves other processes on its socket as long as this one has a session."""

    def __init__(self, place: Any, lock: Any, clock: Clock | None, failed: Callable[[_Owned], None]) -> None:
        from queuack_store.sharing.forking import let_go_in_child
        from queuack_store.sharing.serving import serve

        self._lock = lock
        self._place = place
        self.identity = place.identity() or (0, 0)
        self.sessions = 0
        self.engine = open_engine(place.path, clock, on_fatal=lambda _: failed(self))
        let_go_in_child(self.engine)
        try:
            self._server = serve(self.engine, lock)
        except BaseException:
            self.engine.stop()
            raise
        self.identity = place.identity()

    def session(self, name: str, closed: Callable[[], None]) -> Store:
        """Open a session of this process; `closed` is called when it has been closed."""
        from queuack_store.engine.local import LocalStore
        from queuack_store.sharing.client import connect
        from queuack_store.sharing.forking import let_go_in_child
        from queuack_store.sharing.peers import this_session

        def elsewhere() -> Store:
            return connect(self._place, name)

        store = LocalStore(self.engine, this_session(ids.new_id(), name), closed, elsewhere)
        let_go_in_child(store)
        return store

    def retire(self) -> None:
        """Close the engine and the file, and free the lock."""
        self._server.close()
        self.engine.stop()
        self._lock.release()

    def end(self, timeout: float) -> None:
        """Send the clients away and end the engine; the process ends with what is left."""
        self._server.leave("the process ends")
        self._server.wants_to_leave.wait(timeout)
        self.engine.end(timeout)


_inline = _Inline()
_in_memory: WeakSet[Engine] = WeakSet()
_registered = False


def _end_with_process() -> None:
    """Have the engines of this process end before it does, where nobody closes them.

    Nothing would be lost without it; but DuckDB writes pages about "leaked" objects to the terminal when a
    thread still holds a connection at the very end.
    """
    global _registered
    if not _registered:
        atexit.register(_end_all)
        _registered = True


def _end_all() -> None:
    for engine in list(_in_memory):
        if not engine.ended.is_set():  # in a forked child it has
            engine.end(EXIT_S)
    _inline.end(EXIT_S)
