"""A journal damaged at every byte opens as an exact prefix or not at all, by name; never a false record."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from queuack_store.engine.journalling import no_probe
from queuack_store.errors import DamagedJournalError
from queuack_store.journal import journal_files, open_journal, scan
from queuack_store.journal.disk import Disk
from queuack_store.journal.record import HEADER_BYTES, RECORD_BYTES

ID = bytes(range(16))
BODIES = [b"one", b"", b"\0\0\0", b"four" * 9, b"ends in zeros\0\0\0", b"six"]
RECORDS = list(enumerate(BODIES, start=1))


class UnsyncedDisk(Disk):
    """No syncs: these tests look at bytes, and open hundreds of journals."""

    def sync(self, fd: int) -> None: ...

    def sync_folder(self, folder: Path) -> None: ...


@pytest.fixture(autouse=True)
def small_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    for room in ("segments", "writer"):
        monkeypatch.setattr(f"queuack_store.journal.{room}.RESERVE_BYTES", 512)
        monkeypatch.setattr(f"queuack_store.journal.{room}.CHUNK_BYTES", 512)


@pytest.fixture
def original(tmp_path: Path) -> bytes:
    journal, _ = open_journal(tmp_path / "original.db", ID, 0, no_probe, UnsyncedDisk())
    for cycle, body in RECORDS:
        journal.append(cycle, body)
    journal.abandon()
    return (tmp_path / "original.db.journal.1").read_bytes()


def ends() -> list[int]:
    found, at = [], HEADER_BYTES
    for body in BODIES:
        at += RECORD_BYTES + len(body)
        found.append(at)
    return found


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[bytes], list[tuple[int, bytes]]]:
    folder = tmp_path / "case"

    def run(raw: bytes) -> list[tuple[int, bytes]]:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "q.db.journal.1").write_bytes(raw)
        try:
            journal, records = open_journal(folder / "q.db", ID, 0, no_probe, UnsyncedDisk())
        except DamagedJournalError:
            assert os.listdir(folder) == ["q.db.journal.1"]
            assert (folder / "q.db.journal.1").read_bytes() == raw
            raise
        # It goes on where the good part ended, and the next owner reads both.
        journal.append(len(records) + 1, b"next")
        journal.abandon()
        again, more = open_journal(folder / "q.db", ID, 0, no_probe, UnsyncedDisk())
        again.abandon()
        assert more == [*records, (len(records) + 1, b"next")]
        return records

    return run


def expect_prefix(records: list[tuple[int, bytes]], raw: bytes, original: bytes) -> None:
    whole = [end for end in ends() if raw[:end] == original[:end]]
    assert records == RECORDS[: len(whole)]


def test_cut_at_every_byte(opened, original: bytes) -> None:
    for at in range(ends()[-1] + 1):
        raw = original[:at]
        if at < HEADER_BYTES:
            with pytest.raises(DamagedJournalError):
                opened(raw)
        else:
            expect_prefix(opened(raw), raw, original)


def test_zeros_from_every_byte(opened, original: bytes) -> None:
    for at in range(HEADER_BYTES, ends()[-1] + 1):
        raw = original[:at] + bytes(len(original) - at)
        expect_prefix(opened(raw), raw, original)


@pytest.mark.parametrize("length", [1, 7, 300])
def test_garbage_from_every_byte(opened, original: bytes, length: int) -> None:
    noise = random.Random(length)
    for at in range(HEADER_BYTES, ends()[-1] + 40):
        raw = (original[:at] + noise.randbytes(length)).ljust(len(original), b"\0")
        expect_prefix(opened(raw), raw, original)


def test_the_last_record_torn_in_pieces(opened, original: bytes) -> None:
    """A power cut may keep any of a record's sectors: holes of zeros in it, with its end in place."""
    start, end = ends()[-2], ends()[-1]
    for at in range(start, end):
        raw = original[:at] + b"\0" + original[at + 1 :]
        expect_prefix(opened(raw), raw, original)


def test_every_flipped_bit_is_noticed(tmp_path: Path, original: bytes) -> None:
    path = tmp_path / "q.db.journal.1"
    for at in range(ends()[-1]):
        for bit in range(8):
            raw = bytearray(original)
            raw[at] ^= 1 << bit
            path.write_bytes(raw)
            found = scan(path, with_bodies=True)
            assert found.bodies == RECORDS[: found.records]
            if at < ends()[-2]:
                assert found.state == "damaged"
                assert found.damaged_at == max([0, *(e for e in [HEADER_BYTES, *ends()] if e <= at)])
            else:
                assert found.state == "torn"
                assert found.records == len(RECORDS) - 1


def test_flipped_bits_refuse_or_drop_only_the_last_record(opened, original: bytes) -> None:
    for at in range(ends()[-1]):
        raw = bytearray(original)
        raw[at] ^= 1 << (at % 8)
        if at < ends()[-2]:
            with pytest.raises(DamagedJournalError, match="queuack doctor") as caught:
                opened(bytes(raw))
            assert caught.value.facts["segment"].endswith("q.db.journal.1")
            assert caught.value.facts["byte"] <= at
        else:
            assert opened(bytes(raw)) == RECORDS[:-1]


def test_a_payload_that_is_a_piece_of_the_journal_is_no_record(
    opened, tmp_path: Path, original: bytes
) -> None:
    """A torn record whose body holds older records of the same segment is still a torn tail."""
    path = tmp_path / "original.db.journal.1"
    good = path.read_bytes()[: ends()[-1]]
    prefix = good[ends()[-2] : ends()[-2] + RECORD_BYTES]
    torn = prefix[:8] + (4000).to_bytes(4, "little") + prefix[12:16] + (7).to_bytes(8, "little")
    assert opened(good + torn + good + b"not the end") == RECORDS


def test_a_torn_tail_is_copied_and_logged(tmp_path: Path, original: bytes, caplog) -> None:
    db = tmp_path / "q.db"
    (tmp_path / "q.db.journal.1").write_bytes(original[: ends()[-1] - 1])
    journal, records = open_journal(db, ID, 0, no_probe, UnsyncedDisk())
    journal.close(remove=False)
    assert records == RECORDS[:-1]
    copy = tmp_path / "q.db.journal.torn-1"
    assert copy.read_bytes() == original[ends()[-2] : ends()[-1] - 1]
    assert copy.stat().st_mode & 0o777 == 0o600
    (logged,) = [r for r in caplog.records if r.name == "queuack.journal"]
    assert logged.levelname == "WARNING"
    assert str(copy) in logged.getMessage()
    assert [scan(path).state for path in journal_files(db)] == ["clean", "clean"]


def test_only_the_newest_torn_tails_are_kept(tmp_path: Path) -> None:
    db = tmp_path / "q.db"
    for n in range(1, 9):
        journal, _ = open_journal(db, ID, 0, no_probe, UnsyncedDisk())
        journal.abandon()
        newest = journal_files(db)[-1]
        with newest.open("r+b") as file:
            file.seek(HEADER_BYTES)
            file.write(b"torn %d" % n)
    open_journal(db, ID, 0, no_probe, UnsyncedDisk())[0].close(remove=True)
    kept = {p.name: p.read_bytes() for p in tmp_path.glob("q.db.journal.torn-*")}
    assert kept == {f"q.db.journal.torn-{n}": b"torn %d" % n for n in (5, 6, 7, 8)}
    assert journal_files(db) == []


def test_zeros_behind_the_records_are_no_torn_tail(tmp_path: Path, original: bytes, caplog) -> None:
    (tmp_path / "q.db.journal.1").write_bytes(original)
    assert scan(tmp_path / "q.db.journal.1").state == "clean"
    journal, records = open_journal(tmp_path / "q.db", ID, 0, no_probe, UnsyncedDisk())
    journal.close(remove=False)
    assert records == RECORDS
    assert not caplog.records
    assert not list(tmp_path.glob("*torn*"))


def test_scan_tells_what_a_segment_holds(tmp_path: Path, original: bytes) -> None:
    path = tmp_path / "original.db.journal.1"
    found = scan(path, with_bodies=True)
    assert (found.state, found.records, found.first_cycle, found.last_cycle) == ("clean", 6, 1, 6)
    assert (found.epoch, found.database_id, found.good_bytes) == (1, ID, ends()[-1])
    assert found.bodies == RECORDS
    assert scan(path).bodies == []
    assert path.read_bytes() == original
