"""Where lock and socket lie, who may use them, and what is refused by name."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from queuack_store.errors import (
    FileInUseError,
    ForeignOwnerError,
    NetworkFileSystemError,
    ReadOnlyStoreError,
    StorageError,
)
from queuack_store.sharing import listening, ownership, peers
from queuack_store.sharing.filesystems import mounted_as, refuse_network
from queuack_store.sharing.places import Place

MOUNTS = """\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 21 0:50 / /home rw - btrfs /dev/vdb rw
31 30 0:51 / /home/net\\040share rw - nfs4 server:/x rw
32 30 0:52 / /home/net rw - fuse.sshfs host:/ rw
33 21 0:53 / /mnt/a rw shared:7 - nfs server:/y rw
34 33 0:54 / /mnt/a rw - ext4 /dev/vdc rw
"""


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        ("/etc", "ext4"),
        ("/home/me", "btrfs"),
        ("/home/net share/q", "nfs4"),
        ("/home/network", "btrfs"),
        ("/home/net", "fuse.sshfs"),
        ("/mnt/a/q", "ext4"),
    ],
)
def test_the_file_system_of_a_path_is_found(where: str, kind: str) -> None:
    assert mounted_as(where, MOUNTS) == kind


def test_a_network_file_system_is_refused() -> None:
    refuse_network("/home/me/jobs.db", MOUNTS)
    with pytest.raises(NetworkFileSystemError, match="nfs4"):
        refuse_network("/home/net share/jobs.db", MOUNTS)


def test_one_lock_whoever_asks(path: str) -> None:
    place = Place(path)
    lock = ownership.take(place)
    assert lock is not None
    assert ownership.take(place) is None
    assert stat.S_IMODE(os.stat(place.lock).st_mode) == 0o600
    lock.announce("/some/socket")
    assert place.announced() == (os.getpid(), "/some/socket")
    lock.release()
    lock.release()
    assert place.announced() is None
    assert os.path.getsize(place.lock) == 0
    again = ownership.take(place)
    assert again is not None
    again.release()


def test_a_lock_is_handed_over_with_its_descriptor(path: str) -> None:
    place = Place(path)
    lock = ownership.take(place)
    assert lock is not None
    copy = os.dup(lock.descriptor)
    lock.drop()
    assert ownership.take(place) is None
    adopted = ownership.adopt(place, copy)
    assert not os.get_inheritable(copy)
    adopted.release()
    stranger = os.open(place.path + ".other", os.O_RDWR | os.O_CREAT)
    with pytest.raises(StorageError, match="not held"):
        ownership.adopt(place, stranger)


def test_a_lock_file_that_was_replaced_is_noticed(path: str) -> None:
    lock = ownership.take(Place(path))
    assert lock is not None
    assert lock.is_in_place()
    os.unlink(path + ".lock")
    assert not lock.is_in_place()
    lock.release()


def test_a_forked_child_does_not_keep_the_lock(path: str) -> None:
    place = Place(path)
    lock = ownership.take(place)
    assert lock is not None
    (out, into), (here, there) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(into)
        os.write(there, b".")
        os.read(out, 1)  # lives as long as the parent wants
        os._exit(0)
    os.read(here, 1)
    lock.drop()  # as the kernel does it for a process that dies
    again = ownership.take(place)
    assert again is not None
    again.release()
    for descriptor in (out, into, here, there):
        os.close(descriptor)
    os.waitpid(child, 0)


def test_places_that_can_not_hold_a_queue_are_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="does not exist"):
        ownership.take(Place(tmp_path / "missing" / "jobs.db"))
    with pytest.raises(StorageError, match="is a folder"):
        ownership.take(Place(tmp_path))
    (tmp_path / "linked.db.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="can't be opened"):
        ownership.take(Place(tmp_path / "linked.db"))


def test_links_to_one_file_are_one_place(tmp_path: Path) -> None:
    (tmp_path / "b.db").symlink_to(tmp_path / "a.db")
    assert Place(tmp_path / "b.db").lock == Place(tmp_path / "a.db").lock


def _as_other_user(step: Any) -> str:
    """Run `step` as nobody, in a child, and return what it printed."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        os.setgid(65_534)
        os.setuid(65_534)
        try:
            said = str(step())
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        os.write(into, said.encode())
        os._exit(0)
    os.close(into)
    said = os.read(out, 10_000).decode()
    os.close(out)
    os.waitpid(child, 0)
    return said


def _open_up(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    for parent in folder.parents:
        if parent == Path("/tmp") or parent == Path("/"):
            break
        parent.chmod(parent.stat().st_mode | 0o011)


def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    _open_up(tmp_path, 0o755)
    said = _as_other_user(lambda: ownership.take(Place(tmp_path / "jobs.db")))
    assert said.startswith(ReadOnlyStoreError.__name__), said


def test_another_users_lock_and_file_are_named(tmp_path: Path) -> None:
    _open_up(tmp_path, 0o777)
    lock = ownership.take(Place(tmp_path / "jobs.db"))
    assert lock is not None
    said = _as_other_user(lambda: ownership.take(Place(tmp_path / "jobs.db")))
    assert said.startswith(ForeignOwnerError.__name__), said
    lock.release()
    (tmp_path / "own.db").write_bytes(b"")
    (tmp_path / "own.db").chmod(0o600)
    said = _as_other_user(lambda: ownership.take(Place(tmp_path / "own.db")))
    assert said.startswith(ForeignOwnerError.__name__), said


def test_the_socket_is_private_and_a_stale_one_is_replaced(path: str) -> None:
    place = Place(path)
    dead, address = listening.listen(place)
    assert address == place.socket
    assert stat.S_IMODE(os.stat(address).st_mode) == 0o600
    with pytest.raises(FileInUseError, match="lock file deleted"):
        listening.listen(place)
    dead.close()
    alive, address = listening.listen(place)
    listening.connect(address, 5).close()
    alive.close()


def test_what_is_no_socket_is_left_alone(path: str) -> None:
    Path(path + ".sock").write_text("mine")
    with pytest.raises(StorageError, match="in the way"):
        listening.listen(Place(path))
    assert Path(path + ".sock").read_text() == "mine"


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private folder with a name short enough for sockets."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


def test_a_long_path_gets_a_short_private_name(tmp_path: Path, runtime: Path) -> None:
    place = Place(tmp_path / ("d" * 120) / "jobs.db")
    sock, address = listening.listen(place)
    assert len(address) < 100
    assert address.startswith(str(runtime))
    assert stat.S_IMODE(os.stat(os.path.dirname(address)).st_mode) == 0o700
    sock.close()


def test_a_folder_open_to_others_is_not_used(tmp_path: Path, runtime: Path) -> None:
    (runtime / "queuack").mkdir()
    (runtime / "queuack").chmod(0o777)
    with pytest.raises(ForeignOwnerError, match="alone"):
        Place(tmp_path / ("d" * 120)).short_socket()


def test_a_peer_is_known_by_its_credentials() -> None:
    left, right = socket.socketpair()
    with left, right:
        assert peers.credentials(left) == (os.getpid(), os.geteuid())


def test_a_process_is_more_than_its_pid() -> None:
    here = peers.this_session(bytes(16), "me")
    assert not peers.is_gone(here)
    assert not peers.is_gone(type(here)(bytes(16)))  # nothing is known of it
    assert peers.is_gone(type(here)(bytes(16), here.pid, here.started + 1, here.boot_id))
    assert peers.is_gone(type(here)(bytes(16), here.pid, here.started, "another boot/x"))
    elsewhere = here.boot_id.split("/")[0] + "/another namespace"
    assert not peers.is_gone(type(here)(bytes(16), here.pid, here.started + 1, elsewhere))
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert peers.is_gone(type(here)(bytes(16), child, peers.started(child), here.boot_id))  # a zombie
    os.waitpid(child, 0)


def test_the_lock_is_flock_and_not_the_files_own(path: str) -> None:
    lock = ownership.take(Place(path))
    assert lock is not None
    with open(path + ".lock", "rb"):
        pass  # closing another descriptor of the file would drop a POSIX lock
    other = os.open(path + ".lock", os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
    lock.release()
