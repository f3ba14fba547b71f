"""What can stand between a client and its owner, each with its own error that names what to do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from queuack_store import ids
from queuack_store.errors import (
    FileReplacedError,
    ForeignOwnerError,
    NetworkFileSystemError,
    OwnerLostError,
    OwnerStartError,
    OwnerTimeoutError,
    StorageError,
)
from queuack_store.jobs import NewJob
from queuack_store.requests import Enqueue, Stats
from queuack_store.sharing import courier, filesystems, ownership, spawning
from queuack_store.sharing.client import ClientStore
from queuack_store.sharing.places import Place

AT_REST = {"jobs.db", "jobs.db.lock", "jobs.db.log"}


def _job() -> NewJob:
    return NewJob(ids.new_id(), "t", b"x")


def _left(path: str) -> set[str]:
    return set(os.listdir(os.path.dirname(path)))


def _delete(path: str, names: set[str]) -> None:
    for name in names:
        os.unlink(os.path.join(os.path.dirname(path), name))


def test_a_stopped_owner_is_named_and_nobody_takes_over(path: str, helpers: Any) -> None:
    store = ClientStore(path)
    owner = helpers.owner_of(path)
    helpers.stop(owner)
    with pytest.raises(OwnerTimeoutError, match=f"process {owner}.*kill -CONT") as met:
        store.call(Enqueue([_job()]), timeout=0.2)
    assert met.value.facts["pid"] == owner
    with pytest.raises(OwnerTimeoutError, match=f"process {owner}.*kill -CONT"):
        ClientStore(path, timeout_seconds=0.2)
    os.kill(owner, signal.SIGCONT)
    assert store.call(Stats(), timeout=helpers.PATIENCE_S)["pending"] == 1  # what was sent still happened
    assert helpers.owner_of(path) == owner
    store.close()


def test_calls_without_a_timeout_notice_a_stopped_owner(
    path: str, helpers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "BEAT_S", 0.05)
    monkeypatch.setattr(courier, "SILENT_S", 0.3)
    store = ClientStore(path)
    owner = helpers.owner_of(path)
    helpers.stop(owner)
    asked = store.submit(Stats())
    with pytest.raises(OwnerTimeoutError, match=f"process {owner}"):
        store.call(Stats())
    assert isinstance(asked.exception(helpers.PATIENCE_S), OwnerTimeoutError)
    monkeypatch.setattr(courier, "CLOSE_S", 0.2)
    with pytest.raises(OwnerTimeoutError, match=f"process {owner}"):
        store.close()
    os.kill(owner, signal.SIGCONT)
    helpers.wait_gone(owner)


def test_a_file_that_is_no_database_is_named_as_the_owner_met_it(path: str) -> None:
    Path(path).write_bytes(b"this is a letter to my aunt " * 1_000)
    with pytest.raises(StorageError, match=r"jobs\.db") as met:
        ClientStore(path)
    assert "letter" in Path(path).read_text()
    assert type(met.value) is not StorageError
    assert ownership.take(Place(path)) is not None


def test_an_owner_that_can_not_start_shows_the_end_of_its_log(
    path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "python-broken"
    script.write_text("#!/bin/sh\necho 'the machine is on fire' >&2\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(OwnerStartError, match="the machine is on fire"):
        ClientStore(path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python-missing"))
    with pytest.raises(OwnerStartError, match="inline"):
        ClientStore(path)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(OwnerStartError, match="no Python interpreter"):
        ClientStore(path)
    assert ownership.take(Place(path)) is not None


def test_an_owner_that_is_killed_while_it_starts_is_followed_by_another(
    path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "python-killed"
    starts = tmp_path / "starts"
    script.write_text(
        f"#!/bin/sh\necho >> {starts}\n[ $(wc -l < {starts}) -gt 2 ] || kill -9 $$\n"
        f'exec {sys.executable} "$@"\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    ClientStore(path).close()
    assert len(starts.read_text().splitlines()) == 3
    starts.write_text("")
    script.write_text(f"#!/bin/sh\necho >> {starts}\nkill -9 $$\n")
    with pytest.raises(OwnerStartError, match="ended before it served"):
        ClientStore(path)
    assert len(starts.read_text().splitlines()) == 5


def test_an_embedding_program_finds_its_interpreter(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/usr/sbin/webserver")
    store = ClientStore(path)
    store.close()


def test_the_owner_imports_from_where_its_starter_did(path: str, tmp_path: Path) -> None:
    """PYTHONPATH alone knows the packages, and the working directory holds traps."""
    (tmp_path / "duckdb.py").write_text("raise SystemExit('trapped')")
    (tmp_path / "socket.py").write_text("raise SystemExit('trapped')")
    code = (
        "import sys; sys.path[:0] = sys.argv[2].split(':')\n"
        "from queuack_store.sharing.client import ClientStore\n"
        "store = ClientStore(sys.argv[1]); store.close(); print('served')"
    )
    folders = ":".join(spawning._folders())
    run = subprocess.run(
        [sys.executable, "-S", "-P", "-c", code, path, folders],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "PYTHONSTARTUP": "x", "PYTHONPATH": str(tmp_path / "nowhere")},
    )
    assert run.stdout == "served\n", run.stderr


def test_a_network_file_system_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = filesystems.mounted_as(path, Path("/proc/self/mountinfo").read_text())
    monkeypatch.setattr(filesystems, "_NETWORK", frozenset({kind}))
    with pytest.raises(NetworkFileSystemError, match=kind):
        ClientStore(path)


def test_a_deleted_file_is_noticed_by_both_sides(path: str, helpers: Any) -> None:
    old = ClientStore(path)
    old.call(Enqueue([_job()]))
    owner = helpers.owner_of(path)
    os.unlink(path)
    with pytest.raises(
        StorageError, match="missing"
    ):  # its journal is there: nothing is made up in its place
        ClientStore(path)
    helpers.wait_gone(owner)
    with pytest.raises(FileReplacedError, match="deleted or replaced"):
        old.call(Stats())
    old.close()
    _delete(path, _left(path) - AT_REST)
    new = ClientStore(path)
    assert new.call(Stats())["pending"] == 0
    new.close()
    assert _left(path) == AT_REST


def test_an_owner_whose_file_has_gone_leaves_though_nobody_asks(path: str, helpers: Any) -> None:
    """Its clients say nothing, and a new handle can't find it: lock and socket are gone as well."""
    old = ClientStore(path)
    old.call(Enqueue([_job()]))
    owner = helpers.owner_of(path)
    shutil.rmtree(Path(path).parent)
    helpers.wait_gone(owner)
    with pytest.raises(FileReplacedError, match="deleted or replaced"):
        old.call(Stats())
    old.close()  # has said so already


def test_two_owners_of_one_path_do_each_other_no_harm(path: str, helpers: Any) -> None:
    """Until the old one has noticed, both are there: it must leave alone what is now another's."""
    old = ClientStore(path)
    old.call(Enqueue([_job()]))
    owner = helpers.owner_of(path)
    helpers.stop(owner)
    _delete(path, _left(path) - {"jobs.db.files"})
    new = ClientStore(path)
    new.call(Enqueue([_job(), _job()]))
    os.kill(owner, signal.SIGCONT)
    helpers.wait_gone(owner)
    os.kill(helpers.owner_of(path), signal.SIGKILL)  # all that was acknowledged is on the disk all the same
    assert new.call(Stats())["pending"] == 2
    with pytest.raises(FileReplacedError):
        old.call(Stats())
    old.close()
    new.close()
    assert _left(path) == AT_REST


def test_a_new_file_under_the_old_inode_is_another_file(path: str, helpers: Any) -> None:
    """File systems give the inode of a deleted file to the next one."""
    old = ClientStore(path)
    old.call(Enqueue([_job()]))
    owner = helpers.owner_of(path)
    os.kill(owner, signal.SIGKILL)
    helpers.wait_gone(owner)
    _delete(path, _left(path) - {"jobs.db.files"})
    new = ClientStore(path)
    old._courier.caller.known = Place(path).identity()  # as it happens, or not
    with pytest.raises(FileReplacedError, match="it was database"):
        old.call(Stats())
    old.close()
    assert new.call(Stats())["pending"] == 0
    new.close()


def test_closing_a_handle_says_that_its_file_has_gone(path: str, helpers: Any) -> None:
    store = ClientStore(path)
    store.call(Enqueue([_job()]))
    owner = helpers.owner_of(path)
    os.unlink(path)
    with pytest.raises(FileReplacedError, match="deleted or replaced"):
        store.close()
    store.close()
    helpers.wait_gone(owner)


def test_a_lock_and_a_socket_that_were_deleted_hold_nobody_up(path: str, helpers: Any) -> None:
    """The file is still the old owner's for a moment, and a new one waits for it."""
    store = ClientStore(path)
    store.call(Enqueue([_job()]))
    owner = helpers.owner_of(path)
    os.unlink(path + ".lock")
    os.unlink(path + ".sock")
    other = ClientStore(path)
    assert other.call(Stats())["pending"] == 1
    helpers.wait_gone(owner)
    assert store.call(Stats())["pending"] == 1
    store.close()
    other.close()
    assert _left(path) == AT_REST


def test_a_deleted_lock_makes_the_owner_leave(path: str, helpers: Any) -> None:
    store = ClientStore(path)
    store.call(Enqueue([_job()]))
    owner = helpers.owner_of(path)
    os.unlink(path + ".lock")
    other = ClientStore(path, timeout_seconds=helpers.PATIENCE_S)
    assert other.call(Stats())["pending"] == 1
    helpers.wait_gone(owner)
    assert store.call(Stats())["pending"] == 1
    store.close()
    other.close()


def test_a_long_path_is_handled(tmp_path: Path, helpers: Any) -> None:
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    path = str(folder / "jobs.db")
    first, second = ClientStore(path), ClientStore(path)
    announced = Place(path).announced()
    assert announced is not None
    assert not announced[1].startswith(str(tmp_path))
    first.call(Enqueue([_job()]))
    assert second.call(Stats())["pending"] == 1
    first.close()
    second.close()
    assert not os.path.exists(announced[1])
    assert set(os.listdir(folder)) == AT_REST


def test_another_users_owner_is_named(path: str, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder) in ("/tmp", "/"):
            break
        folder.chmod(0o777 if folder == tmp_path else folder.stat().st_mode | 0o011)
    store = ClientStore(path)
    os.chmod(store._courier.place.socket, 0o666)  # as if the permissions were no obstacle
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(65_534)
        try:
            ClientStore(path, timeout_seconds=5)
            os.write(into, b"let in")
        except Exception as error:
            os.write(into, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    said = os.read(out, 10_000).decode()
    assert said.startswith(ForeignOwnerError.__name__), said
    assert "user 0" in said
    store.close()


def test_owners_that_keep_dying_are_given_up(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ClientStore(path)
    owner = Place(path).announced()
    assert owner is not None
    started: list[int] = []
    real = spawning.start_owner

    def start_and_kill(*args: Any) -> int:
        pid = real(*args)
        started.append(pid)
        os.kill(pid, signal.SIGSTOP)  # greets nobody, and dies before it answers
        threading.Timer(0.05, os.kill, (pid, signal.SIGKILL)).start()
        return pid

    monkeypatch.setattr("queuack_store.sharing.dialing.start_owner", start_and_kill)
    monkeypatch.setattr(courier, "RECONNECT_S", 1.0)
    os.kill(owner[0], signal.SIGKILL)
    with pytest.raises((OwnerLostError, OwnerTimeoutError)):
        store.call(Stats())
    assert started
    monkeypatch.undo()
    assert store.call(Stats())["pending"] == 0
    store.close()
