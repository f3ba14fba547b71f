"""A journal whose owner dies, or whose machine loses power, before and after every system call it makes.

Each moment of a whole life is kept as several images of the folder: what a kill leaves (all that was
written), and what a power cut may leave (content and names as of their last sync, or later, or half).
Every image must open with every acknowledged record; recovery itself is cut at every step likewise.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from queuack_store.engine.journalling import no_probe
from queuack_store.errors import StorageFullError
from queuack_store.journal import open_journal
from queuack_store.journal.disk import Disk

ID = b"sixteen byte id."
BODIES = {cycle: b"%d:" % cycle * cycle for cycle in range(1, 20)}
Image = dict[str, bytes]


@dataclass(frozen=True)
class Moment:
    """What a cut at this moment may leave, and what had been promised by then.

    Of the first image, what a kill leaves, `synced` is the content that a later power cut can't take,
    and `durable_names` are the names.
    """

    step: str
    images: list[Image]
    synced: Image
    durable_names: set[str]
    acked: int
    begun: int
    applied: int


class CutDisk(Disk):
    """Remembers what the folder would be after a cut before each call; the syncs only happen in its books."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.synced: dict[int, bytes] = {}
        self.names = self._live_names()
        for name, inode in self.names.items():
            self.synced[inode] = (folder / name).read_bytes()
        self.moments: list[Moment] = []
        self.acked = self.begun = self.applied = 0
        self.short = False

    def forget_all_but(self, synced: Image, durable_names: set[str]) -> None:
        """Take the folder for what a kill left: only this much of it was ever synced."""
        self.synced = {inode: synced[name] for name, inode in self.names.items()}
        self.names = {name: inode for name, inode in self.names.items() if name in durable_names}

    def _live_names(self) -> dict[str, int]:
        return {entry.name: entry.inode() for entry in os.scandir(self.folder)}

    def cut(self, step: str) -> None:
        live_names = self._live_names()
        live = {inode: (self.folder / name).read_bytes() for name, inode in live_names.items()}
        live = self.synced | live
        half = {inode: _half(self.synced.get(inode, b""), raw) for inode, raw in live.items()}
        old = {inode: self.synced.get(inode, b"") for inode in live}
        images: list[Image] = []
        for names, content in itertools.product((live_names, self.names), (live, old, half)):
            image = {name: content[inode] for name, inode in names.items()}
            if image not in images:
                images.append(image)
        synced = {name: old[inode] for name, inode in live_names.items()}
        promised = (self.acked, self.begun, self.applied)
        self.moments.append(Moment(step, images, synced, set(self.names), *promised))

    def create(self, path: Path) -> int:
        self.cut("create")
        fd = super().create(path)
        self.synced.pop(os.fstat(fd).st_ino, None)  # the number of a file that is gone
        return fd

    def writev(self, fd: int, parts: Sequence[bytes]) -> int:
        self.cut("writev")
        if self.short:
            written = super().writev(fd, [b"".join(parts)[:-2]])
            # The kernel may write back what nobody synced, and here it does, before it is cut off again.
            self.synced[os.fstat(fd).st_ino] = os.pread(fd, os.fstat(fd).st_size, 0)
            return written
        return super().writev(fd, parts)

    def pwrite(self, fd: int, data: Any, offset: int) -> int:
        self.cut("pwrite")
        return super().pwrite(fd, data, offset)

    def truncate(self, fd: int, size: int) -> None:
        self.cut("truncate")
        super().truncate(fd, size)

    def allocate(self, fd: int, offset: int, size: int) -> bool:
        self.cut("allocate")
        return super().allocate(fd, offset, size)

    def rename(self, old: Path, new: Path) -> None:
        self.cut("rename")
        super().rename(old, new)

    def unlink(self, path: Path) -> None:
        self.cut("unlink")
        super().unlink(path)

    def sync(self, fd: int) -> None:
        self.cut("sync")
        self.synced[os.fstat(fd).st_ino] = os.pread(fd, os.fstat(fd).st_size, 0)

    def sync_folder(self, folder: Path) -> None:
        self.cut("sync_folder")
        self.names = self._live_names()


def _half(old: bytes, new: bytes) -> bytes:
    """The new bytes up to the middle of what changed, the old ones behind."""
    old = old[: len(new)].ljust(len(new), b"\0")
    changed = [at for at, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1]]
    middle = changed[len(changed) // 2] if changed else 0
    return new[:middle] + old[middle:]


class Unsynced(Disk):
    def sync(self, fd: int) -> None: ...

    def sync_folder(self, folder: Path) -> None: ...


@pytest.fixture(autouse=True)
def small_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    for room in ("segments", "writer"):
        monkeypatch.setattr(f"queuack_store.journal.{room}.RESERVE_BYTES", 64)
        monkeypatch.setattr(f"queuack_store.journal.{room}.CHUNK_BYTES", 64)
    monkeypatch.setattr("queuack_store.journal.writer._LARGE_BYTES", 40)
    monkeypatch.setattr("queuack_store.journal.writer._LARGE_CHUNK_BYTES", 80)


def live_a_life(folder: Path, records_before: int = 0) -> list[Moment]:
    """Append, rotate, apply, release, be taken over, leave: every call of the journal at least once."""
    disk = CutDisk(folder)
    disk.acked = disk.begun = disk.applied = records_before
    journal, _ = open_journal(folder / "q.db", ID, disk.applied, no_probe, disk)

    def append(count: int, urgent: bool = False) -> None:
        for _ in range(count):
            disk.begun = journal.next_cycle
            journal.append(disk.begun, BODIES[disk.begun], urgent)
            disk.acked = disk.begun

    def fail_to_append() -> None:
        disk.short = True
        with pytest.raises(StorageFullError):
            journal.append(journal.next_cycle, BODIES[journal.next_cycle])
        disk.short = False

    append(3)
    fail_to_append()
    journal.rotate()
    append(2, urgent=True)
    disk.applied += 3
    journal.release(disk.applied)
    journal.rotate()
    append(1)
    journal.abandon()
    journal, records = open_journal(folder / "q.db", ID, disk.applied, no_probe, disk)
    assert [cycle for cycle, _ in records] == list(range(disk.applied + 1, disk.acked + 1))
    append(2)
    journal.rotate()
    append(1)
    disk.applied = disk.acked
    journal.release(disk.applied - 1)
    journal.rotate()
    journal.close(remove=True)
    disk.cut("the end")
    return disk.moments


def lay_out(folder: Path, image: Image) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, raw in image.items():
        (folder / name).write_bytes(raw)
    return folder


def image_of(folder: Path) -> Image:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def expect_recovered(records: list[tuple[int, bytes]], moment: Moment) -> int:
    newest = moment.applied + len(records)
    assert records == [(cycle, BODIES[cycle]) for cycle in range(moment.applied + 1, newest + 1)], moment.step
    assert moment.acked <= newest <= max(moment.begun, moment.applied), moment.step
    return newest


def each_image(
    moments: list[Moment], folder: Path, check: Callable[[Path, Moment], None], every: int = 1
) -> int:
    images = [(moment, image) for moment in moments for image in moment.images][::every]
    for moment, image in images:
        check(lay_out(folder, image), moment)
    return len(images)


def open_and_go_on(folder: Path, moment: Moment) -> None:
    db = folder / "q.db"
    journal, records = open_journal(db, ID, moment.applied, no_probe, Unsynced())
    newest = expect_recovered(records, moment)
    journal.append(newest + 1, BODIES[newest + 1])
    journal.abandon()
    journal, again = open_journal(db, ID, moment.applied, no_probe, Unsynced())
    assert again == [*records, (newest + 1, BODIES[newest + 1])]
    journal.close(remove=True)
    assert [name for name in os.listdir(folder) if "torn" not in name] == []


def test_every_moment_of_a_life_can_be_recovered(tmp_path: Path) -> None:
    folder = tmp_path / "life"
    folder.mkdir()
    moments = live_a_life(folder)
    steps = {moment.step for moment in moments}
    assert steps >= {"create", "writev", "pwrite", "truncate", "allocate", "rename", "unlink", "sync"}
    assert each_image(moments, tmp_path / "cut", open_and_go_on) > 150


def recover_and_cut(tmp_path: Path, every: int) -> int:
    """Cut each recovery at each of its own steps as well: what was promised before the first cut holds."""
    folder = tmp_path / "life"
    folder.mkdir()
    count = 0

    def recover(image: Path, moment: Moment) -> None:
        nonlocal count
        disk = CutDisk(image)
        if image_of(image) == moment.images[0]:
            disk.forget_all_but(moment.synced, moment.durable_names)
        disk.acked, disk.begun, disk.applied = moment.acked, moment.begun, moment.applied
        journal, records = open_journal(image / "q.db", ID, moment.applied, no_probe, disk)
        # From here on the recovered records were shown to the world: none of them may go again.
        disk.acked = disk.begun = expect_recovered(records, moment)
        disk.cut("recovered")
        journal.abandon()
        count += each_image(disk.moments, tmp_path / "again", open_and_go_on)

    each_image(live_a_life(folder), tmp_path / "cut", recover, every)
    return count


def test_a_recovery_may_be_cut_as_well(tmp_path: Path) -> None:
    assert recover_and_cut(tmp_path, every=17) > 200


@pytest.mark.prove
def test_every_recovery_of_every_moment_may_be_cut_as_well(tmp_path: Path) -> None:
    assert recover_and_cut(tmp_path, every=1) > 3_000


APPENDER = """
import sys
from pathlib import Path
from queuack_store.journal import open_journal
journal, _ = open_journal(Path(sys.argv[1]), b"sixteen byte id.", 0, lambda point: None)
while True:
    cycle = journal.next_cycle
    journal.append(cycle, b"%d:" % cycle * (cycle % 50))
    sys.stdout.write(f"{cycle}\\n")
    sys.stdout.flush()
    if cycle % 40 == 0:
        journal.rotate()
"""


def test_a_killed_process_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    for kill_after in (1, 37, 130):
        db = tmp_path / f"{kill_after}.db"
        child = subprocess.Popen([sys.executable, "-c", APPENDER, str(db)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for _ in range(kill_after):
            child.stdout.readline()
        child.kill()
        acked = kill_after + child.stdout.read().count("\n")
        child.wait()
        journal, records = open_journal(db, ID, 0, no_probe)
        journal.close(remove=True)
        assert len(records) in (acked, acked + 1)
        assert records == [(n, b"%d:" % n * (n % 50)) for n in range(1, len(records) + 1)]
