"""Starting an owner: exec'd, detached, given the lock and nothing else; then waiting for its first word."""

from __future__ import annotations

import os
import select
import sys

import msgspec

from queuack_store.clock import monotonic
from queuack_store.errors import OwnerStartError, OwnerTimeoutError, from_wire
from queuack_store.sharing.ownerlog import open_log, tail
from queuack_store.sharing.ownership import Lock
from queuack_store.sharing.places import Place

_KEPT_ENVIRONMENT = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "XDG_RUNTIME_DIR"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),  # a Python built with shared libraries may need them
)
_NEEDED = ("queuack_store", "duckdb", "msgspec", "cloudpickle")
BOOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "boot.py")
_WORD_BYTES = 64 << 10
_INLINE_HINT = "where no process can be started, use DuckQueue(..., owner='inline')"


def start_owner(lock: Lock, timeout_s: float) -> int | None:
    """Start an owner with the lock and return its pid once it serves; the lock is this process's no more.

    None where it ended without a word: if it was killed, another does better.

    Raises:
        OwnerStartError: it could not be started.
        OwnerTimeoutError: it is still starting after `timeout_s`; it goes on.
        StorageError: what it met when it opened the file, as the owner raised it.
    """
    place = lock.place
    word_out, word_in = os.pipe()
    log = open_log(place.log)
    try:
        _launch(lock, word_in, log)
    finally:
        lock.drop()
        os.close(word_in)
        os.close(log)
    try:
        word = _first_word(place, word_out, timeout_s)
    finally:
        os.close(word_out)
    if not word:
        return None
    kind, *rest = msgspec.msgpack.decode(word)
    if kind == "ready":
        return int(rest[0])
    error = from_wire((rest[0], rest[1], rest[2]))
    if type(error).__name__ == rest[0] != "QueuackError":
        raise error
    raise OwnerStartError(
        f"the owner process of {place.path} could not start: {rest[1]}. {_log_of(place)}", path=place.path
    )


def ended_early(place: Place) -> OwnerStartError:
    """The error of an owner that ended before it served."""
    return OwnerStartError(
        f"the owner process of {place.path} ended before it served. {_log_of(place)}", path=place.path
    )


def _launch(lock: Lock, word_in: int, log: int) -> None:
    import subprocess  # only the one process that starts an owner pays for it

    place = lock.place
    command = [
        _interpreter(place),
        "-I",
        BOOT,
        place.path,
        str(lock.descriptor),
        os.pathsep.join(_folders()),
    ]
    try:
        first = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=word_in,
            stderr=log,
            pass_fds=(lock.descriptor,),
            cwd="/",
            env={name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ},
            start_new_session=True,
            umask=0o077,
        )
    except OSError as error:
        raise OwnerStartError(
            f"the owner process of {place.path} could not be started ({command[0]}: {error.strerror}); "
            f"{_INLINE_HINT}",
            path=place.path,
        ) from error
    first.wait()  # it has forked the owner proper and ends at once


def _interpreter(place: Place) -> str:
    """Return the Python to run; `sys.executable` may be empty, or a program that embeds Python."""
    if not getattr(sys, "frozen", False):
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        own = sys.executable or ""
        if os.path.basename(own).lower().startswith(("python", "pypy")):
            return own
        for name in (version, "python3", "python"):
            found = os.path.join(sys.exec_prefix, "bin", name)
            if os.access(found, os.X_OK):
                return found
    raise OwnerStartError(
        f"no Python interpreter is known to start the owner process of {place.path} with "
        f"(sys.executable is {sys.executable!r}); {_INLINE_HINT}",
        path=place.path,
    )


def _folders() -> list[str]:
    """Return the folders that the owner's packages were found in: absolute, nothing else of `sys.path`."""
    from importlib.util import find_spec

    found: list[str] = []
    for name in _NEEDED:
        try:
            spec = find_spec(name)
        except (ImportError, ValueError):
            continue
        for location in (spec.submodule_search_locations or ()) if spec is not None else ():
            folder = os.path.dirname(os.path.abspath(location))
            if folder not in found:
                found.append(folder)
    return found


def _first_word(place: Place, pipe: int, timeout_s: float) -> bytes:
    deadline = monotonic() + timeout_s
    word = b""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    while len(word) < _WORD_BYTES:
        if not poll.poll(max(0.0, deadline - monotonic()) * 1000):
            raise OwnerTimeoutError(
                f"the owner process of {place.path} is still starting after {timeout_s:g} s (it may have "
                f"much to recover; see {place.log}): try again later",
                path=place.path,
            )
        part = os.read(pipe, 4096)
        if not part:
            break
        word += part
    return word


def _log_of(place: Place) -> str:
    text = tail(place.log)
    return f"The end of {place.log}:\n{text}" if text else f"{place.log} says nothing."
