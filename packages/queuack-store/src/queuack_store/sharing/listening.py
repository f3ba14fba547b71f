"""The listening socket: where it is bound, how a stale one is told from a live one."""

from __future__ import annotations

import os
import socket
import stat

from queuack_store.errors import FileInUseError, StorageError
from queuack_store.sharing.places import Place

BACKLOG = 1024  # a storm of clients that come back at once waits here, not in retries


def listen(place: Place) -> tuple[socket.socket, str]:
    """Bind the owner's socket, beside the file where that is possible, and return it with its path.

    Call it with the lock held: a socket that is there and answers nobody is then a dead owner's.

    Raises:
        FileInUseError: someone answers on it (the lock file must have been deleted under its owner).
        StorageError: no place takes a socket.
    """
    if place.socket_fits:
        try:
            return _bind(place.socket), place.socket
        except StorageError:
            raise
        except OSError:  # some file systems hold no sockets
            pass
    address = place.short_socket()
    try:
        return _bind(address), address
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"the socket {address} can't be made: {error.strerror}", path=address) from error


def connect(address: str, timeout: float | None) -> socket.socket:
    """Connect to an owner's socket.

    Raises:
        OSError: nobody listens there, or it is another user's.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind(address: str) -> socket.socket:
    _remove_stale(address)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    finally:
        os.umask(before)
    sock.listen(BACKLOG)
    sock.setblocking(False)
    return sock


def _remove_stale(address: str) -> None:
    try:
        mode = os.lstat(address).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StorageError(f"{address} is in the way and is no socket: move it", path=address)
    try:
        connect(address, 1.0).close()
    except ConnectionRefusedError:
        os.unlink(address)
        return
    except OSError:  # a full backlog, say: somebody is there
        pass
    raise FileInUseError(
        f"another owner answers on {address} although the lock is free: "
        "was the lock file deleted? End that process first",
        path=address,
    )
