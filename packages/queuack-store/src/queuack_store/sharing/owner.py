"""The owner process: takes over the lock, opens the engine, serves, leaves. Runs no user code.

`python -m queuack_store.sharing.owner FILE` runs one in the foreground; clients start theirs through
spawning.py, with the lock's descriptor and a pipe on standard output for the first word.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import time

import msgspec

from queuack_store.clock import monotonic
from queuack_store.errors import FileInUseError, to_wire
from queuack_store.sharing import ownership
from queuack_store.sharing.ownerlog import OwnerLog
from queuack_store.sharing.places import Place
from queuack_store.sharing.server import Server
from queuack_store.sharing.serving import serve

IN_USE_S = 5.0  # how long a file that is open elsewhere is waited for: an owner that lost its lock leaves
_IN_USE_PAUSE_S = 0.1
EXIT_FAILED = 1
EXIT_FATAL = 70  # the engine must not go on; the next owner recovers from what is on disk


def main(path: str, descriptor: int | None = None) -> int:
    """Own the file at `path` until nobody needs it.

    Args:
        path: the database file.
        descriptor: the lock's, when a client took the lock and handed it over.
    """
    started = descriptor is not None  # by a client, which waits for a word; else a person runs it
    log = OwnerLog(sys.stderr.fileno(), shortens=started)
    place, lock = Place(path), None
    try:
        lock = _lock(place, descriptor)
        server = _open(place, lock, log)
    except Exception as error:  # whatever it is, the client that waits must hear of it
        log.note(f"could not start: {type(error).__name__}: {error}")
        if lock is not None:
            lock.release()
        if started:
            _first_word(("failed", *to_wire(error)))
        return EXIT_FAILED
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda found, _frame: server.leave(signal.Signals(found).name))
    if started:
        _first_word(("ready", os.getpid()))
    gc.collect()
    gc.set_threshold(50_000, 20, 20)  # tens of thousands of jobs live for a while and make no cycles
    gc.freeze()  # what starting made is there to stay: later collections need not look at it
    server.wants_to_leave.wait()
    try:
        server.close()
    except Exception as error:
        log.note(f"could not close in order: {type(error).__name__}: {error}")
        return EXIT_FATAL
    log.note("left")
    return 0


def _lock(place: Place, descriptor: int | None) -> ownership.Lock:
    if descriptor is not None:
        return ownership.adopt(place, descriptor)
    lock = ownership.take(place)
    if lock is None:
        raise FileInUseError(f"{place.path} has an owner already", path=place.path)
    return lock


def _open(place: Place, lock: ownership.Lock, log: OwnerLog) -> Server:
    from queuack_store.opening import open_engine  # with duckdb: 0.2 s, after the lock is known to be held

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _allow_many_files()
    logging.getLogger("queuack").addHandler(_ToLog(log))

    def fatal(error: BaseException) -> None:
        log.note(f"ended: {type(error).__name__}: {error}")
        os._exit(EXIT_FATAL)

    deadline = monotonic() + IN_USE_S
    while True:
        try:
            engine = open_engine(place.path, on_fatal=fatal)
            break
        except FileInUseError:
            if monotonic() >= deadline:
                raise
            time.sleep(_IN_USE_PAUSE_S)
    try:
        server = serve(engine, lock, stays=False, note=log.note)
    except BaseException:
        engine.stop()
        raise
    log.note(f"serves {place.path} on {server.address}")
    return server


class _ToLog(logging.Handler):
    """Brings what the engine has to say into the owner's log."""

    def __init__(self, log: OwnerLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self._log.note(f"{record.levelname.lower()}: {self.format(record)}")


def _first_word(word: tuple[object, ...]) -> None:
    """Tell the starter how it went, through the pipe on standard output, and let go of the pipe."""
    null = os.open(os.devnull, os.O_RDWR)
    try:
        os.write(1, msgspec.msgpack.encode(word, enc_hook=str))
    except OSError:  # the starter has gone: others may come
        pass
    os.dup2(null, 1)
    os.close(null)


def _allow_many_files() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else hard
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
