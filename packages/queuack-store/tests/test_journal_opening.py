"""Opening a journal: what is refused by name, what the next owner inherits, and round trips of any shape."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from queuack_store.engine.journalling import Journal, no_probe
from queuack_store.errors import DamagedJournalError, InvalidRequestError, NewerSchemaError, StoreClosedError
from queuack_store.journal import FileJournal, journal_files, open_journal, scan
from queuack_store.journal import writer as writer_room
from queuack_store.journal.disk import Disk
from queuack_store.journal.record import HEADER_BYTES, new_header, pack_prefix, unpack_header, unpack_prefix
from queuack_store.journal.segments import create_segment

ID = b"sixteen byte id."


class UnsyncedDisk(Disk):
    """No syncs: for tests that open many journals and cut no power."""

    def sync(self, fd: int) -> None: ...

    def sync_folder(self, folder: Path) -> None: ...


class SyncLog(Disk):
    """Counts what was synced, by name of file."""

    def __init__(self) -> None:
        self.synced: list[str] = []

    def sync(self, fd: int) -> None:
        super().sync(fd)
        self.synced.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name)


def reopen(
    db: Path, applied: int = 0, disk: Disk | None = None
) -> tuple[FileJournal, list[tuple[int, bytes]]]:
    return open_journal(db, ID, applied, no_probe, disk)


def written(db: Path, *bodies: bytes, applied: int = 0) -> FileJournal:
    journal, _ = reopen(db, applied)
    for body in bodies:
        journal.append(journal.next_cycle, body)
    return journal


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_is_the_engines_journal(tmp_path: Path) -> None:
    journal: Journal = reopen(tmp_path / "q.db")[0]
    assert journal.size == HEADER_BYTES
    journal.append(1, b"x")
    assert HEADER_BYTES < journal.size < 200
    journal.close(remove=True)
    assert os.listdir(tmp_path) == []


def test_what_was_appended_comes_back_after_a_kill(tmp_path: Path) -> None:
    journal = written(tmp_path / "q.db", b"a", b"bb", b"", b"dddd")
    journal.abandon()
    assert reopen(tmp_path / "q.db")[1] == [(1, b"a"), (2, b"bb"), (3, b""), (4, b"dddd")]
    assert reopen(tmp_path / "q.db", 2)[1] == [(3, b""), (4, b"dddd")]
    assert reopen(tmp_path / "q.db", 4)[1] == []


def test_the_first_cycle_follows_what_was_applied(tmp_path: Path) -> None:
    journal = written(tmp_path / "q.db", applied=41)
    with pytest.raises(ValueError, match="next one is 42"):
        journal.append(41, b"")
    with pytest.raises(ValueError, match="next one is 42"):
        journal.append(43, b"")
    journal.append(42, b"x")
    journal.abandon()
    assert reopen(tmp_path / "q.db", 41)[1] == [(42, b"x")]


def test_the_probes_are_called_in_order(tmp_path: Path) -> None:
    points: list[str] = []
    journal, _ = open_journal(tmp_path / "q.db", ID, 0, points.append)
    journal.append(1, b"x")
    journal.rotate()
    journal.release(1)
    journal.close(remove=True)
    assert points == ["journal.written", "journal.synced", "journal.rotated", "journal.released"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to name a synced file")
def test_the_new_owner_makes_the_tail_durable_in_a_segment_of_its_own(tmp_path: Path) -> None:
    """The newest record may be in the page cache only."""
    written(tmp_path / "q.db", b"a", b"b", b"c").abandon()
    disk = SyncLog()
    reopen(tmp_path / "q.db", 1, disk)[0].abandon()
    # Synced under its passing name, so that its final one is never half a segment.
    assert disk.synced == ["q.db.journal.1", "q.db.journal.new"]
    new = scan(tmp_path / "q.db.journal.2", with_bodies=True)
    assert (new.bodies, new.epoch) == ([(3, b"c")], 2)
    (tmp_path / "q.db.journal.1").unlink()
    assert reopen(tmp_path / "q.db", 2)[1] == [(3, b"c")]


def test_many_owners_in_a_row_lose_and_repeat_nothing(tmp_path: Path) -> None:
    db, all_records = tmp_path / "q.db", []
    for n in range(1, 8):
        journal, records = reopen(db)
        assert records == all_records
        assert journal.epoch == n
        if n % 3:
            journal.append(journal.next_cycle, b"%d" % n)
            all_records.append((journal.next_cycle - 1, b"%d" % n))
        journal.abandon()
    assert reopen(db, 3)[1] == all_records[3:]


def test_another_databases_journal_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "q.db", b"a").abandon()
    before = snapshot(tmp_path)
    with pytest.raises(DamagedJournalError, match="another database") as caught:
        open_journal(tmp_path / "q.db", b"0123456789abcdef", 0, no_probe)
    assert caught.value.facts["journal_id"] == ID.hex()
    assert snapshot(tmp_path) == before


def test_a_journal_that_starts_too_late_is_refused(tmp_path: Path) -> None:
    journal = written(tmp_path / "q.db", b"a", applied=5)
    journal.abandon()
    before = snapshot(tmp_path)
    with pytest.raises(DamagedJournalError, match="cycles 5 to 5 are missing") as caught:
        reopen(tmp_path / "q.db", 4)
    assert caught.value.facts["first_missing"] == 5
    assert snapshot(tmp_path) == before
    assert reopen(tmp_path / "q.db", 5)[1] == [(6, b"a")]


def test_an_empty_journal_that_starts_too_late_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "q.db", applied=9).abandon()
    with pytest.raises(DamagedJournalError, match="cycles 8 to 9 are missing"):
        reopen(tmp_path / "q.db", 7)


def rotated(db: Path) -> None:
    journal = written(db, b"a", b"b")
    journal.rotate()
    journal.append(3, b"c")
    journal.append(4, b"d")
    journal.rotate()
    journal.append(5, b"e")
    journal.abandon()


def test_a_lost_segment_is_refused_unless_all_of_it_was_applied(tmp_path: Path) -> None:
    db = tmp_path / "q.db"
    rotated(db)
    (tmp_path / "q.db.journal.2").unlink()
    for applied in (0, 2, 3):
        with pytest.raises(DamagedJournalError, match="to 4 are missing"):
            reopen(db, applied)
    assert reopen(db, 4)[1] == [(5, b"e")]


@pytest.mark.parametrize("cut", [1, 20, 26])
def test_a_closed_segment_that_lost_its_end_is_refused(tmp_path: Path, cut: int) -> None:
    """Also when cut between two records: the next segment knows what should have come before it."""
    db = tmp_path / "q.db"
    rotated(db)
    second = tmp_path / "q.db.journal.2"
    os.truncate(second, second.stat().st_size - cut)
    before = snapshot(tmp_path)
    with pytest.raises(DamagedJournalError):
        reopen(db)
    assert snapshot(tmp_path) == before


def test_a_closed_segment_with_more_behind_its_end_is_refused(tmp_path: Path) -> None:
    db = tmp_path / "q.db"
    rotated(db)
    with (tmp_path / "q.db.journal.2").open("ab") as file:
        file.write(b"what is this?")
    with pytest.raises(DamagedJournalError, match="does not end whole"):
        reopen(db)


def test_a_segment_that_contradicts_an_earlier_one_is_refused(tmp_path: Path) -> None:
    db = tmp_path / "q.db"
    written(db, b"a", b"b").abandon()
    header = new_header(ID, epoch=2, number=2, first_cycle=2)
    os.close(create_segment(Disk(), db, header, [(2, b"other")]).fd)
    with pytest.raises(DamagedJournalError, match="cycle 2 is not the one"):
        reopen(db)


@pytest.mark.parametrize(("epoch", "first", "why"), [(1, 2, "repeats cycle 2"), (0, 3, "epoch 0 is older")])
def test_a_segment_out_of_its_order_is_refused(tmp_path: Path, epoch: int, first: int, why: str) -> None:
    db = tmp_path / "q.db"
    written(db, b"a", b"b").abandon()
    header = new_header(ID, epoch=epoch, number=2, first_cycle=first)
    os.close(create_segment(Disk(), db, header).fd)
    with pytest.raises(DamagedJournalError, match=why):
        reopen(db)


def test_a_segment_under_another_number_is_refused(tmp_path: Path) -> None:
    db = tmp_path / "q.db"
    written(db, b"a").abandon()
    shutil.copy(tmp_path / "q.db.journal.1", tmp_path / "q.db.journal.2")
    with pytest.raises(DamagedJournalError, match="header is not valid"):
        reopen(db)


def test_a_newer_format_is_named(tmp_path: Path) -> None:
    db = tmp_path / "q.db"
    written(db, b"a").abandon()
    segment = tmp_path / "q.db.journal.1"
    raw = bytearray(segment.read_bytes())
    raw[8:12] = (2).to_bytes(4, "little")
    raw[HEADER_BYTES - 4 : HEADER_BYTES] = zlib.crc32(raw[: HEADER_BYTES - 4]).to_bytes(4, "little")
    segment.write_bytes(raw)
    with pytest.raises(NewerSchemaError, match="upgrade"):
        reopen(db)


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        journal = written(tmp_path / "q.db", b"a")
        journal.rotate()
    finally:
        os.umask(umask)
    assert [stat.S_IMODE(p.stat().st_mode) for p in journal_files(tmp_path / "q.db")] == [0o600, 0o600]


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    elsewhere, segment = tmp_path / "elsewhere", tmp_path / "q.db.journal.1"
    if kind == "link":
        elsewhere.mkdir()
        written(elsewhere / "q.db", b"a").abandon()
        segment.symlink_to(elsewhere / "q.db.journal.1")
    elif kind == "dangling":
        segment.symlink_to(elsewhere)
    elif kind == "folder":
        segment.mkdir()
    else:
        os.mkfifo(segment)
    with pytest.raises(DamagedJournalError, match="no regular file"):
        reopen(tmp_path / "q.db")
    assert scan(segment).state == "damaged"


def test_a_link_in_the_passing_names_place_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    (tmp_path / "q.db.journal.new").symlink_to(target)
    written(tmp_path / "q.db", b"a").close(remove=True)
    assert snapshot(tmp_path) == {"target": b"precious"}


def test_journal_files_lists_only_its_own_in_number_order(tmp_path: Path) -> None:
    names = [
        "q.db.journal.10",
        "q.db.journal.9",
        "q.db.journal.torn-1",
        "q.db.journal.new",
        "q.db.journal.01",
    ]
    names += ["q.db.journal.", "other.q.db.journal.1", "q.db.journal.1x", "q.db.journal.٣", "q.db2.journal.1"]
    for name in names:
        (tmp_path / name).touch()
    assert [p.name for p in journal_files(tmp_path / "q.db")] == ["q.db.journal.9", "q.db.journal.10"]
    assert journal_files(tmp_path / "gone" / "q.db") == []


def test_a_closed_journal_says_so(tmp_path: Path) -> None:
    journal = written(tmp_path / "q.db", b"a")
    journal.close(remove=False)
    journal.close(remove=False)
    for use in (lambda: journal.append(2, b""), journal.rotate, lambda: journal.release(1)):
        with pytest.raises(StoreClosedError):
            use()
    assert reopen(tmp_path / "q.db")[1] == [(1, b"a")]


def test_a_body_over_the_limit_is_refused_and_stores_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(writer_room, "MAX_BODY_BYTES", 10)
    journal = written(tmp_path / "q.db", b"a")
    with pytest.raises(InvalidRequestError, match="split"):
        journal.append(2, bytes(11))
    journal.append(2, bytes(10))
    journal.abandon()
    assert reopen(tmp_path / "q.db")[1] == [(1, b"a"), (2, bytes(10))]


@given(
    st.binary(min_size=16, max_size=16), *[st.integers(0, 2**32 - 1)] * 1, *[st.integers(0, 2**64 - 1)] * 2
)
def test_headers_round_trip(database: bytes, epoch: int, number: int, first: int) -> None:
    header = new_header(database, epoch, number, first)
    assert unpack_header(header.pack()) == header
    assert len(header.pack()) == HEADER_BYTES
    assert unpack_header(header.pack()[:-1]) is None


@given(st.binary(max_size=200), st.integers(0, 2**64 - 1))
def test_a_record_proves_itself_in_its_own_segment_only(body: bytes, cycle: int) -> None:
    header, other = new_header(ID, 1, 1, 1), new_header(ID, 1, 1, 1)
    prefix = unpack_prefix(header, pack_prefix(header, cycle, body))
    assert prefix is not None
    assert (prefix.cycle, prefix.length, prefix.proves(header, body)) == (cycle, len(body), True)
    assert not prefix.proves(other, body) or header.salt == other.salt
    assert not prefix.proves(header, body + b"\0")


STEPS = st.lists(
    st.one_of(
        st.binary(max_size=300),
        st.binary(min_size=1, max_size=8).map(lambda b: b * 200_000),
        st.sampled_from(["rotate", "apply", "release", "die", "leave"]),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_any_life_of_a_journal_keeps_every_record(steps: list[bytes | str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        db, disk = Path(folder) / "q.db", UnsyncedDisk()
        journal, _ = reopen(db, 0, disk)
        history: list[tuple[int, bytes]] = []
        applied = 0
        for step in steps:
            if isinstance(step, bytes):
                journal.append(len(history) + 1, step, urgent=len(step) % 2 == 0)
                history.append((len(history) + 1, step))
            elif step == "rotate":
                journal.rotate()
            elif step == "apply":
                applied = len(history)
            elif step == "release":
                journal.release(applied)
            else:
                journal.abandon() if step == "die" else journal.close(remove=False)
                journal, records = reopen(db, applied, disk)
                assert records == history[applied:]
        journal.abandon()
        journal, records = reopen(db, applied, disk)
        assert records == history[applied:]
        journal.close(remove=True)
        assert os.listdir(folder) == []
