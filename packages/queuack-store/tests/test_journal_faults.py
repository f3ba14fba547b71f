"""A disk that is full, or that fails: what fits, what is refused, and what is over for good."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from queuack_store.engine.journalling import JournalFailedError, no_probe
from queuack_store.errors import ReadOnlyStoreError, StorageError, StorageFullError
from queuack_store.journal import FileJournal, journal_files, open_journal, scan
from queuack_store.journal.disk import Disk
from queuack_store.journal.record import HEADER_BYTES, RECORD_BYTES
from queuack_store.journal.segments import CHUNK_BYTES, RESERVE_BYTES

ID = b"sixteen byte id."
KB = 1024


class FaultyDisk(Disk):
    """A disk that has room for `free` more bytes, and calls that fail when told to.

    Room is counted by the files' sizes: bytes written inside a file need none, as on a disk that
    writes in place. `partly` lets a write that does not fit store what does.
    """

    def __init__(self) -> None:
        self.free: int | None = None
        self.full_errno = errno.ENOSPC
        self.partly = True
        self.fail: dict[str, int] = {}
        self.calls: list[str] = []

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.fail:
            raise OSError(self.fail[name], os.strerror(self.fail[name]))

    def _room(self, fd: int, offset: int, size: int) -> int:
        if self.free is None:
            return size
        inside = max(0, os.fstat(fd).st_size - offset)
        fits = min(size, inside + self.free)
        if not fits or (fits < size and not self.partly):
            raise OSError(self.full_errno, os.strerror(self.full_errno))
        self.free -= max(0, fits - inside)
        return fits

    def create(self, path: Path) -> int:
        self._call("create")
        return super().create(path)

    def writev(self, fd: int, parts: Sequence[bytes]) -> int:
        self._call("writev")
        raw = b"".join(parts)
        fits = self._room(fd, os.lseek(fd, 0, os.SEEK_CUR), len(raw))
        return super().writev(fd, [raw[:fits]])

    def pwrite(self, fd: int, data: Any, offset: int) -> int:
        self._call("pwrite")
        return super().pwrite(fd, data[: self._room(fd, offset, len(data))], offset)

    def allocate(self, fd: int, offset: int, size: int) -> bool:
        self._call("allocate")
        if self._room(fd, offset, size) < size:
            raise OSError(self.full_errno, os.strerror(self.full_errno))
        return super().allocate(fd, offset, size)

    def truncate(self, fd: int, size: int) -> None:
        self._call("truncate")
        if self.free is not None:
            self.free += max(0, os.fstat(fd).st_size - size)
        super().truncate(fd, size)

    def unlink(self, path: Path) -> None:
        self._call("unlink")
        size = path.stat().st_size
        super().unlink(path)
        if self.free is not None:
            self.free += size

    def rename(self, old: Path, new: Path) -> None:
        self._call("rename")
        super().rename(old, new)

    def sync(self, fd: int) -> None:
        self._call("sync")

    def sync_folder(self, folder: Path) -> None:
        self._call("sync_folder")


@pytest.fixture
def disk() -> FaultyDisk:
    return FaultyDisk()


@pytest.fixture
def journal(tmp_path: Path, disk: FaultyDisk) -> Iterator[FileJournal]:
    journal, _ = open_journal(tmp_path / "q.db", ID, 0, no_probe, disk)
    yield journal
    disk.fail.clear()
    journal.abandon()


def recovered(tmp_path: Path) -> list[tuple[int, bytes]]:
    journal, records = open_journal(tmp_path / "q.db", ID, 0, no_probe, FaultyDisk())
    journal.abandon()
    assert not list(tmp_path.glob("*torn*"))
    return records


def fill(journal: FileJournal, size: int, urgent: bool = False) -> int:
    """Append until the disk is full; returns how many went in."""
    for count in range(10_000):
        try:
            journal.append(journal.next_cycle, bytes([count % 256]) * size, urgent)
        except StorageFullError:
            return count
    raise AssertionError("the disk never filled")


@pytest.mark.parametrize("partly", [True, False], ids=["short", "nothing"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_refuses_and_goes_on_with_room(tmp_path, disk, journal, number, partly) -> None:
    disk.full_errno, disk.partly = number, partly
    disk.free = 100 * KB
    stored = fill(journal, 10 * KB)
    assert stored >= 20
    assert journal.next_cycle == stored + 1
    with pytest.raises(StorageFullError, match="make room") as caught:
        journal.append(stored + 1, bytes(10 * KB))
    assert caught.value.retryable
    assert caught.value.facts["reserve_bytes"] >= RESERVE_BYTES
    disk.free = None
    journal.append(stored + 1, b"room again")
    assert [cycle for cycle, _ in recovered(tmp_path)] == list(range(1, stored + 2))


def test_urgent_records_fit_into_the_reserve_of_a_full_disk(tmp_path, disk, journal) -> None:
    disk.free = 0
    ordinary = fill(journal, 10 * KB)
    urgent = fill(journal, 10 * KB, urgent=True)
    assert ordinary + urgent == (CHUNK_BYTES + RESERVE_BYTES) // (10 * KB + RECORD_BYTES)
    assert urgent >= RESERVE_BYTES // (11 * KB)
    assert fill(journal, 1) == 0
    disk.free = 0
    assert len(recovered(tmp_path)) == ordinary + urgent


def test_the_others_wait_until_the_reserve_is_whole_again(disk, journal) -> None:
    disk.free = 0
    fill(journal, 10 * KB)
    assert fill(journal, 10 * KB, urgent=True) > 10
    disk.free = RESERVE_BYTES // 2
    assert fill(journal, 1) == 0
    journal.append(journal.next_cycle, b"urgent", urgent=True)
    disk.free = RESERVE_BYTES
    journal.append(journal.next_cycle, b"the reserve is whole")


def test_an_urgent_record_larger_than_the_reserve_leaves_the_reserve(tmp_path, disk, journal) -> None:
    disk.free = 0
    ordinary = fill(journal, 10 * KB)
    with pytest.raises(StorageFullError):
        journal.append(journal.next_cycle, b"x" * (2 * RESERVE_BYTES), urgent=True)
    journal.append(journal.next_cycle, b"small", urgent=True)
    assert recovered(tmp_path)[ordinary:] == [(ordinary + 1, b"small")]


def test_a_short_write_leaves_no_bytes_behind(tmp_path, disk, journal) -> None:
    journal.append(1, b"kept")
    disk.free = 100
    with pytest.raises(StorageFullError):
        journal.append(2, b"\xff" * (3 * RESERVE_BYTES), urgent=True)
    assert scan(journal_files(tmp_path / "q.db")[0]).state == "clean"
    assert recovered(tmp_path) == [(1, b"kept")]


def test_a_disk_that_cannot_even_zero_in_place_is_cut(tmp_path, disk, journal, monkeypatch) -> None:
    """As on a file system that copies on write: the reserve is lost, the records are not."""
    journal.append(1, b"kept")
    monkeypatch.setattr(disk, "writev", lambda fd, parts: os.write(fd, b"half"))
    monkeypatch.setitem(disk.fail, "pwrite", errno.ENOSPC)
    with pytest.raises(StorageFullError):
        journal.append(2, b"x", urgent=True)
    monkeypatch.undo()
    assert journal_files(tmp_path / "q.db")[0].stat().st_size == journal.size
    journal.append(2, b"y")
    assert recovered(tmp_path) == [(1, b"kept"), (2, b"y")]


@pytest.mark.parametrize(
    ("call", "number"),
    [("sync", errno.EIO), ("sync", errno.ENOSPC), ("writev", errno.EIO), ("writev", errno.EROFS)],
)
def test_a_failing_disk_ends_the_journal_for_ever(tmp_path, disk, journal, call, number) -> None:
    journal.append(1, b"acknowledged")
    disk.fail[call] = number
    with pytest.raises(JournalFailedError, match="must end"):
        journal.append(2, b"never acknowledged")
    disk.fail.clear()
    for use in (
        lambda: journal.append(2, b"x"),
        lambda: journal.append(3, b"x", urgent=True),
        journal.rotate,
        lambda: journal.release(1),
    ):
        with pytest.raises(JournalFailedError):
            use()
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    journal.close(remove=True)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before
    # The record of a failed sync was never acknowledged; whether it is there is open.
    assert recovered(tmp_path)[:1] == [(1, b"acknowledged")]


@pytest.mark.parametrize("call", ["pwrite", "allocate"])
def test_a_failing_extension_ends_the_journal(disk, journal, call) -> None:
    disk.fail[call] = errno.EIO
    with pytest.raises(JournalFailedError, match="cannot extend"):
        fill(journal, 50 * KB if call == "pwrite" else 100 * KB)


@pytest.mark.parametrize("call", ["truncate", "sync", "create", "rename", "sync_folder"])
def test_a_rotation_that_fails_for_good_ends_the_journal(tmp_path, disk, journal, call) -> None:
    journal.append(1, b"kept")
    disk.fail[call] = errno.EIO
    with pytest.raises(JournalFailedError):
        journal.rotate()
    with pytest.raises(JournalFailedError):
        journal.append(2, b"x")
    assert recovered(tmp_path) == [(1, b"kept")]


def test_a_full_disk_can_rotate_and_free_itself(tmp_path, disk, journal) -> None:
    disk.free = 0
    stored = fill(journal, 10 * KB)
    stored += fill(journal, 100, urgent=True)
    stored += fill(journal, 1, urgent=True)
    assert disk.free == 0
    with pytest.raises(StorageFullError):
        journal.rotate()
    # Even one that could not rotate goes on: urgent records as far as there is room.
    disk.free = HEADER_BYTES
    journal.rotate()
    assert fill(journal, 1, urgent=True) == 0
    journal.release(stored)
    journal.append(stored + 1, b"freed")
    journal.abandon()
    last, records = open_journal(tmp_path / "q.db", ID, stored, no_probe, FaultyDisk())
    last.abandon()
    assert records == [(stored + 1, b"freed")]


def test_a_full_disk_can_be_opened_through_the_reserve(tmp_path, disk, journal) -> None:
    disk.free = 0
    stored = fill(journal, 10 * KB)
    journal.abandon()
    assert disk.free == 0
    again, records = open_journal(tmp_path / "q.db", ID, 0, no_probe, disk)
    assert len(records) == stored
    again.append(stored + 1, b"urgent", urgent=True)
    again.abandon()


def test_opening_without_any_room_is_a_named_error_and_loses_nothing(tmp_path, disk, journal) -> None:
    journal.append(1, b"x" * 100)
    journal.close(remove=False)
    disk.free = 0
    with pytest.raises(StorageFullError, match="make room"):
        open_journal(tmp_path / "q.db", ID, 0, no_probe, disk)
    assert [p.name for p in tmp_path.iterdir()] == ["q.db.journal.1"]
    assert recovered(tmp_path) == [(1, b"x" * 100)]


def test_a_torn_tail_without_room_for_its_copy_is_not_dropped(tmp_path, disk, journal) -> None:
    journal.append(1, b"x")
    journal.close(remove=False)
    segment = journal_files(tmp_path / "q.db")[0]
    with segment.open("ab") as file:
        file.write(b"torn")
    before = segment.read_bytes()
    disk.free, disk.partly = 2, False
    with pytest.raises(StorageFullError):
        open_journal(tmp_path / "q.db", ID, 0, no_probe, disk)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {segment.name: before}


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.EACCES, ReadOnlyStoreError), (errno.EROFS, ReadOnlyStoreError), (errno.EIO, StorageError)],
)
def test_what_the_system_refuses_at_opening_is_named(tmp_path, disk, number, kind) -> None:
    disk.fail["create"] = number
    with pytest.raises(kind, match=r"q\.db\.journal\.1"):
        open_journal(tmp_path / "q.db", ID, 0, no_probe, disk)


def test_a_deletion_that_fails_is_tried_again(tmp_path, disk, journal) -> None:
    journal.append(1, b"x")
    journal.rotate()
    size = journal.size
    disk.fail["unlink"] = errno.EIO
    with pytest.raises(StorageError):
        journal.release(1)
    assert journal.size == size
    disk.fail.clear()
    journal.release(1)
    assert journal.size < size
    assert len(journal_files(tmp_path / "q.db")) == 1


def test_a_segment_deleted_by_others_does_not_stop_a_release(tmp_path, journal) -> None:
    journal.append(1, b"x")
    journal.rotate()
    journal_files(tmp_path / "q.db")[0].unlink()
    journal.release(1)
    assert journal.size == HEADER_BYTES


def test_release_keeps_what_no_checkpoint_holds(tmp_path, journal) -> None:
    for cycle in range(1, 7):
        journal.append(cycle, b"x")
        if cycle % 2 == 0:
            journal.rotate()
    names = [[p.name[-1] for p in journal_files(tmp_path / "q.db")]]
    for cycle in (1, 2, 3, 5, 99):
        journal.release(cycle)
        names.append([p.name[-1] for p in journal_files(tmp_path / "q.db")])
    assert names == [list(kept) for kept in ("1234", "1234", "234", "234", "34", "4")]


def test_an_append_is_one_write_and_one_sync(disk, journal) -> None:
    disk.calls.clear()
    journal.append(1, b"x" * 100)
    assert disk.calls == ["writev", "sync"]


def test_a_really_full_disk(small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("4m")
    db, filler = disk / "q.db", disk / "filler"
    filler.write_bytes(bytes(1 << 20))
    journal, _ = open_journal(db, ID, 0, no_probe)
    ordinary = fill(journal, 3_000)
    assert ordinary > 500
    assert fill(journal, 3_000) == 0
    urgent = fill(journal, 3_000, urgent=True)
    assert urgent > 300
    journal.abandon()
    filler.unlink()
    journal, records = open_journal(db, ID, 0, no_probe)
    assert [cycle for cycle, _ in records] == list(range(1, ordinary + urgent + 1))
    assert not list(disk.glob("*torn*"))
    journal.release(len(records))
    journal.append(len(records) + 1, b"room again")
    journal.close(remove=True)
    assert os.listdir(disk) == []
