"""The lock that makes a process the owner: flock on `<file>.lock`, held for life, never unlinked.

The lock belongs to the open file description, so it can be handed to a process that is started with
the descriptor, and is freed by the kernel the moment its last holder ends.
"""

from __future__ import annotations

import errno
import os

from queuack_store.errors import (
    ForeignOwnerError,
    NetworkFileSystemError,
    ReadOnlyStoreError,
    StorageError,
    StorageFullError,
)
from queuack_store.sharing.filesystems import refuse_network
from queuack_store.sharing.forking import close_quietly, let_go_in_child
from queuack_store.sharing.places import Place, refuse_platform


class Lock:
    """The right to own one database file."""

    __slots__ = ("__weakref__", "descriptor", "place")

    def __init__(self, place: Place, descriptor: int) -> None:
        self.place = place
        self.descriptor = descriptor
        # A child that keeps a copy of the descriptor would keep the lock when the owner is gone.
        let_go_in_child(self)

    def announce(self, address: str) -> None:
        """Write this process's id and the socket's path into the lock file, for clients to find."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, b"%d\n%s\n" % (os.getpid(), os.fsencode(address)), 0)

    def is_in_place(self) -> bool:
        """Return whether the lock file at the path is still the one that is held."""
        mine = os.fstat(self.descriptor)
        try:
            found = os.stat(self.place.lock)
        except OSError:
            return False
        return (mine.st_dev, mine.st_ino) == (found.st_dev, found.st_ino)

    def release(self) -> None:
        """Empty the lock file and free the lock, whoever else may have inherited the descriptor."""
        import fcntl

        if self.descriptor < 0:
            return
        try:
            os.ftruncate(self.descriptor, 0)
            fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        except OSError:
            pass
        self.drop()

    def drop(self) -> None:
        """Close this process's copy of the descriptor; whoever it was handed to keeps the lock."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            close_quietly(descriptor)

    def forked(self) -> None:
        """Let go of the lock in a forked child."""
        self.drop()


def take(place: Place) -> Lock | None:
    """Take the lock, or return None where another process (or handle) holds it.

    Raises:
        NetworkFileSystemError: the file system is refused. ReadOnlyStoreError: the folder or the file
        can't be written. ForeignOwnerError: they are another user's. StorageError: anything else.
    """
    import fcntl  # not on Windows

    check_usable(place)
    while True:
        descriptor = _open_lock(place)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return None
            raise NetworkFileSystemError(
                f"the file system of {place.lock} has no locks ({error.strerror}): "
                "put the file on a local disk",
                path=place.path,
            ) from error
        lock = Lock(place, descriptor)
        if lock.is_in_place():
            return lock
        lock.drop()  # unlinked between open and flock: the next one is the right one


def adopt(place: Place, descriptor: int) -> Lock:
    """Return the lock whose descriptor was handed to this process.

    Raises:
        StorageError: the descriptor does not hold the lock of this place.
    """
    import fcntl

    os.set_inheritable(descriptor, False)
    lock = Lock(place, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = lock.is_in_place()
    except OSError:
        held = False
    if not held:
        lock.drop()
        raise StorageError(
            f"{place.lock} is not held by the descriptor that was handed over", path=place.path
        )
    return lock


def check_usable(place: Place) -> None:
    """Refuse a place that can't hold a shared database, by name.

    Raises:
        NetworkFileSystemError, ReadOnlyStoreError, ForeignOwnerError, StorageError.
    """
    refuse_platform()
    folder = os.path.dirname(place.path)
    refuse_network(folder)
    if not os.path.isdir(folder):
        raise StorageError(f"the folder {folder} does not exist: make it first", path=place.path)
    if os.path.isdir(place.path):
        raise StorageError(f"{place.path} is a folder: give the path of a file in it", path=place.path)
    if os.path.exists(place.path) and not os.access(place.path, os.R_OK | os.W_OK):
        raise _no_access(place, place.path)


def _open_lock(place: Place) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(place.lock, flags, 0o600)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            existing = os.path.lexists(place.lock)
            raise _no_access(place, place.lock if existing else os.path.dirname(place.lock)) from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError(f"no room for {place.lock}: free some space", path=place.path) from error
        raise StorageError(f"{place.lock} can't be opened: {error.strerror}", path=place.path) from error


def _no_access(place: Place, what: str) -> ForeignOwnerError | ReadOnlyStoreError:
    owner = os.stat(what).st_uid
    if owner != os.geteuid() and not os.path.isdir(what):
        return ForeignOwnerError(
            f"{what} belongs to user {owner}, this process is user {os.geteuid()}: "
            "use the file as its owner, or another file",
            path=place.path,
            uid=owner,
        )
    return ReadOnlyStoreError(
        f"{what} can't be written by this user: a queue needs a file and a folder that can", path=place.path
    )
