"""Where things lie beside a database file: its lock, its log, and the socket (or a short name for it).

jobs.db        the file
jobs.db.lock   held by the owner; empty at rest, else the owner's pid and the socket's path
jobs.db.log    what the owner has to say
jobs.db.sock   the socket, while there is an owner
"""

from __future__ import annotations

import os
import stat
import sys

from queuack_store.errors import ForeignOwnerError, StorageError

MAX_SOCKET_PATH = 100  # sun_path holds 108 bytes on Linux and 104 on macOS
_PRIVATE = 0o700


class Place:
    """The paths that belong to one database file; `path` is its real path."""

    __slots__ = ("lock", "log", "path", "socket")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.realpath(path)
        self.lock = self.path + ".lock"
        self.log = self.path + ".log"
        self.socket = self.path + ".sock"

    @property
    def socket_fits(self) -> bool:
        """Whether the socket can bear the name beside the file."""
        return len(os.fsencode(self.socket)) <= MAX_SOCKET_PATH

    def short_socket(self) -> str:
        """Return a short path for the socket in a private folder, which is made where it is missing.

        Raises:
            ForeignOwnerError: the folder is another user's, a link, or open to others.
        """
        import hashlib  # rarely needed, and slow to import

        name = hashlib.blake2b(os.fsencode(self.path), digest_size=12).hexdigest() + ".sock"
        return os.path.join(_private_folder(), name)

    def identity(self) -> tuple[int, int] | None:
        """Return (device, inode) of the database file, or None where there is none."""
        return identity(self.path)

    def announced(self) -> tuple[int, str] | None:
        """Return the (pid, socket path) that the owner wrote into the lock file, or None."""
        try:
            with open(self.lock, "rb", opener=_no_follow) as file:
                pid, address = file.read(4096).splitlines()[:2]
            return int(pid), os.fsdecode(address)
        except (OSError, ValueError):
            return None


def identity(path: str) -> tuple[int, int] | None:
    """Return (device, inode) of what is at `path`; by stat alone: opening a DuckDB file drops its lock."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _no_follow(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)


def _private_folder() -> str:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and _is_private(runtime):
        folder = os.path.join(runtime, "queuack")
        if len(os.fsencode(folder)) + 40 <= MAX_SOCKET_PATH:
            _make_private(folder)
            return folder
    folder = f"/tmp/queuack-{os.geteuid()}"
    _make_private(folder)
    return folder


def _make_private(folder: str) -> None:
    try:
        os.mkdir(folder, _PRIVATE)
    except FileExistsError:
        pass
    except OSError as error:
        raise StorageError(f"no folder for the socket: {folder} can't be made ({error.strerror})") from error
    if not _is_private(folder):
        raise ForeignOwnerError(
            f"{folder} is not this user's alone: remove it, or set XDG_RUNTIME_DIR to a folder that is",
            path=folder,
        )


def _is_private(folder: str) -> bool:
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def refuse_platform() -> None:
    """Raise the error of a platform that can't share a file.

    Raises:
        StorageError: on Windows.
    """
    if sys.platform == "win32":
        raise StorageError(
            "queuack shares a file through Unix sockets and flock(), which Windows lacks: "
            "use ':memory:', or run under WSL"
        )
