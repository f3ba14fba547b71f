"""doctor and repair on files that were really damaged: what is found, what is mended, what is never lost."""

from __future__ import annotations

import json
import os
import shutil
import struct
from pathlib import Path

import duckdb
import pytest
from queuack_store import (
    DamagedFileError,
    DamagedJournalError,
    DuckQueue,
    FileInUseError,
    NewerSchemaError,
    NotADatabaseError,
    RecordRefusedError,
    StorageError,
    doctor,
    repair,
)
from queuack_store.duckdb import damage
from queuack_store.engine.changes import JobState, NewRow, Record, encode
from queuack_store.ids import new_id
from queuack_store.jobs import NewJob
from queuack_store.journal import journal_files, scan
from queuack_store.journal.record import HEADER_BYTES, new_header, pack_prefix, unpack_header
from queuack_store.testing.tasks import echo, finish


def files(folder):
    """What is in a folder: names and bytes, without the lock file."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and not p.name.endswith(".lock")}


def crash(folder, jobs=6):
    """Make a queue whose owner was cut off: database, log and journal as a kill leaves them."""
    live, image = folder / "live", folder / "image"
    live.mkdir()
    image.mkdir()
    queue = DuckQueue(live / "q.db", owner="inline")
    ids = [queue.enqueue(echo, (i,)) for i in range(jobs)]
    finish(queue)
    ids.append(queue.enqueue(echo, ("last",)))
    queue.sql("SELECT 1").fetchall()  # all of it is in DuckDB's log by now
    child = os.fork()  # another process may read the files: a second open() here would drop DuckDB's lock
    if not child:
        for source in live.iterdir():
            if source.is_file():
                shutil.copyfile(source, image / source.name)
        os._exit(0)
    os.waitpid(child, 0)
    (image / "q.db.lock").unlink(missing_ok=True)
    queue.close()
    return image / "q.db", ids


def opened(path):
    """The ids and states of the jobs in a queue that must open."""
    with DuckQueue(path, owner="inline") as queue:
        return {str(row[0]): row[1] for row in queue.sql("SELECT id, status FROM jobs").fetchall()}


def codes(diagnosis):
    return [finding.code for finding in diagnosis.findings]


def test_a_healthy_queue_is_called_healthy(tmp_path):
    with DuckQueue(tmp_path / "q.db", owner="inline") as queue:
        queue.enqueue(echo)
        queue.pause("held")
        queue.enqueue(echo, queue="held")
        found = doctor(tmp_path / "q.db")  # asked of the owner, which is in this process
        assert found.healthy
        assert found.facts["owner"] is True
        assert codes(found) == ["stuck"]
        assert "paused" in found.findings[0].message
    before = files(tmp_path)
    found = doctor(tmp_path / "q.db")
    assert found.healthy
    assert found.facts["jobs"] == {"pending": 2}
    assert found.facts["schema"] == 1
    assert found.facts["disk_free_bytes"] > 0
    assert json.loads(json.dumps(found.to_dict()))["healthy"] is True
    assert files(tmp_path) == before
    mended = repair(tmp_path / "q.db")
    assert mended.healthy
    assert (mended.actions, mended.lost, mended.copies) == ([], [], None)


def test_an_owner_process_is_asked(tmp_path):
    with DuckQueue(tmp_path / "q.db") as queue:
        queue.enqueue(echo)
        assert doctor(tmp_path / "q.db").facts["jobs"]["pending"] == 1
        with pytest.raises(FileInUseError, match="close every handle"):
            repair(tmp_path / "q.db")
        assert queue.stats()["pending"] == 1


def test_a_crash_is_no_damage(tmp_path):
    path, ids = crash(tmp_path)
    before = files(path.parent)
    found = doctor(path)
    assert found.healthy, found
    assert files(path.parent) == before
    assert opened(path).keys() == set(ids)


def test_a_file_that_is_not_there(tmp_path):
    assert codes(doctor(tmp_path / "no.db")) == ["missing"]
    with pytest.raises(StorageError, match="does not exist"):
        repair(tmp_path / "no.db")
    assert not list(tmp_path.iterdir())


def damaged_log(path):
    """Flip a byte in the first transaction of DuckDB's log, with whole ones behind it."""
    log = Path(f"{path}.wal")
    held = bytearray(log.read_bytes())
    start = damage.first_record(bytes(held))
    held[start + 40] ^= 0xFF
    log.write_bytes(held)


def test_a_damaged_log_is_replayed_from_the_journal(tmp_path):
    path, ids = crash(tmp_path)
    damaged_log(path)
    before = files(path.parent)
    with pytest.raises(DamagedFileError):
        DuckQueue(path, owner="inline")
    found = doctor(path)
    assert not found.healthy
    assert "DamagedFile" in codes(found)
    assert files(path.parent) == before
    mended = repair(path)
    assert mended.healthy, mended
    assert mended.lost == []
    assert mended.actions
    assert files(Path(mended.copies)) == before
    assert opened(path).keys() == set(ids)


def test_a_damaged_log_without_a_journal_is_a_loss_that_must_be_accepted(tmp_path):
    path, ids = crash(tmp_path)
    for segment in journal_files(path):
        segment.unlink()
    damaged_log(path)
    before = files(path.parent)
    with pytest.raises(DamagedFileError, match="accept_loss=True"):
        repair(path)
    assert files(path.parent) == before
    mended = repair(path, accept_loss=True)
    assert mended.healthy
    assert mended.lost
    assert files(Path(mended.copies)) == before
    assert opened(path).keys() < set(ids)


def test_the_log_of_another_database_is_set_aside(tmp_path):
    path, ids = crash(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    foreign, _ = crash(other)
    shutil.copyfile(f"{foreign}.wal", f"{path}.wal")
    assert not doctor(path).healthy
    mended = repair(path)  # the journal has what the right one held
    assert (mended.healthy, mended.lost) == (True, [])
    assert opened(path).keys() == set(ids)


def test_a_lost_database_is_made_anew_from_its_whole_journal(tmp_path):
    path, ids = crash(tmp_path)
    path.unlink()
    assert codes(doctor(path))[0] == "database_missing"
    with pytest.raises(DamagedFileError):
        DuckQueue(path, owner="inline")
    mended = repair(path)
    assert (mended.healthy, mended.lost) == (True, [])
    states = opened(path)
    assert states.keys() == set(ids)
    assert states[ids[0]] == "done"


def test_a_lost_database_with_a_log_alone_begins_empty_only_when_told(tmp_path):
    path, _ = crash(tmp_path)
    path.unlink()
    for segment in journal_files(path):
        segment.unlink()
    before = files(path.parent)
    with pytest.raises(DamagedFileError, match="accept_loss=True"):
        repair(path)
    assert files(path.parent) == before
    mended = repair(path, accept_loss=True)
    assert mended.healthy
    assert files(Path(mended.copies)) == before
    assert opened(path) == {}


def behind(path):
    """Make the database older than its journal: as of its last checkpoint."""
    Path(f"{path}.wal").unlink()
    (segment,) = journal_files(path)
    return segment


def test_a_journal_damaged_in_the_middle(tmp_path):
    path, ids = crash(tmp_path)
    segment = behind(path)
    held = bytearray(segment.read_bytes())
    middle = scan(segment).good_bytes // 2
    held[middle] ^= 0xFF
    segment.write_bytes(held)
    before = files(path.parent)
    found = doctor(path)
    assert "journal_damaged" in codes(found)
    with pytest.raises(DamagedJournalError, match="accept_loss=True"):
        repair(path)
    assert files(path.parent) == before
    mended = repair(path, accept_loss=True)
    assert mended.healthy
    assert mended.lost
    assert files(Path(mended.copies)) == before
    assert set() < opened(path).keys() < set(ids)


def test_another_databases_journal(tmp_path):
    path, ids = crash(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    foreign, _ = crash(other)
    (segment,) = journal_files(path)
    (theirs,) = journal_files(foreign)
    shutil.copyfile(theirs, segment)
    assert "journal_foreign" in codes(doctor(path))
    with pytest.raises(DamagedJournalError, match="accept_loss"):
        repair(path)
    mended = repair(path, accept_loss=True)
    assert mended.healthy
    assert opened(path).keys() == set(ids)  # DuckDB's own log had it all


def test_a_record_that_duckdb_never_takes_is_passed_over_only_when_told(tmp_path):
    path, ids = crash(tmp_path)
    (segment,) = journal_files(path)
    found = scan(segment)
    cycle = found.last_cycle + 1
    # Whole and with the right checksum, but its priority fits into no column.
    spec = NewJob(new_id(), "mod:fn", b"p")
    nothing = [None] * 5
    state = JobState(1_000_000, "pending", 1_000, None, 0, 0, *nothing, 0, None, None, False, 3)
    body = encode(Record(cycle, 0.0, 2_000_000, 2_000_000, new=[NewRow(spec, 0.0, state)]))
    header = unpack_header(segment.read_bytes()[:HEADER_BYTES])
    with open(segment, "rb+") as file:
        file.seek(found.good_bytes)
        file.write(pack_prefix(header, cycle, body) + body)
    with pytest.raises(RecordRefusedError, match=f"cycle {cycle} .*accept_loss=True"):
        repair(path)
    assert scan(segment).last_cycle == cycle
    mended = repair(path, accept_loss=True)
    assert mended.healthy
    assert any(f"cycle {cycle}" in lost for lost in mended.lost)
    assert opened(path).keys() == set(ids)


def test_a_journal_with_a_gap_is_set_aside_only_when_told(tmp_path):
    path, ids = crash(tmp_path)
    (segment,) = journal_files(path)
    raw = segment.read_bytes()
    header, newest = unpack_header(raw[:HEADER_BYTES]), scan(segment).last_cycle
    late = new_header(header.database, header.epoch, header.number, newest + 3)
    segment.write_bytes(late.pack() + bytes(len(raw) - HEADER_BYTES))
    before = segment.read_bytes()
    with pytest.raises(DamagedJournalError, match="accept_loss=True"):
        repair(path)
    assert segment.read_bytes() == before
    mended = repair(path, accept_loss=True)
    assert mended.healthy
    assert any(f"cycles {newest + 1} to {newest + 2}" in lost for lost in mended.lost)
    assert opened(path).keys() == set(ids)  # DuckDB's own log had them


def test_a_tear_that_mending_does_not_heal_is_a_problem(tmp_path):
    path = tmp_path / "q.db"
    with DuckQueue(path, owner="inline") as queue:
        queue.enqueue(echo)
    with open(path, "r+b") as file:
        file.seek(12_288)
        file.write(b"\xff" * (path.stat().st_size - 12_288))
    before = files(tmp_path)
    found = doctor(path)
    assert (found.healthy, codes(found)) == (False, ["DamagedFile"])
    assert str(path) in found.findings[0].message
    assert ".doctor-" not in found.findings[0].message
    assert files(tmp_path) == before
    assert list(tmp_path.glob(".*")) == []
    with pytest.raises(DamagedFileError):
        DuckQueue(path, owner="inline")


def test_a_torn_tail_is_announced_and_mended(tmp_path):
    path, ids = crash(tmp_path)
    log = Path(f"{path}.wal")
    held = bytearray(log.read_bytes())
    held[-60] ^= 0xFF  # in the last transaction, as a power cut leaves it
    log.write_bytes(held)
    before = files(path.parent)
    found = doctor(path)
    assert files(path.parent) == before
    assert (found.healthy, codes(found)) == (True, ["torn", "unapplied"])
    assert repair(path).healthy
    assert opened(path).keys() == set(ids)


def test_what_no_repair_can_help_is_left_as_it_is(tmp_path):
    text = tmp_path / "text.db"
    text.write_text("no database at all " * 1_000)
    newer = tmp_path / "newer.db"
    with DuckQueue(newer, owner="inline") as queue:
        queue.enqueue(echo)
    with duckdb.connect(str(newer)) as connection:
        connection.execute("UPDATE queuack_meta SET schema_version = 99")
    before = files(tmp_path)
    for path, kind in ((text, NotADatabaseError), (newer, NewerSchemaError)):
        found = doctor(path)
        assert codes(found) == [kind.__name__.removesuffix("Error")]
        with pytest.raises(kind):
            repair(path, accept_loss=True)
    assert files(tmp_path) == before


def test_rows_that_contradict_each_other_are_named(tmp_path):
    path = tmp_path / "q.db"
    with DuckQueue(path, owner="inline") as queue:
        queue.enqueue(echo)
        queue.enqueue(echo, depends_on=queue.enqueue(echo))
    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM job_payloads")
        connection.execute("UPDATE jobs SET status = 'done' WHERE status = 'pending'")
    found = doctor(path)
    assert codes(found) == ["integrity", "stuck"]
    assert "payload" in found.findings[0].message
    assert "parents" in found.findings[1].message


def test_a_block_that_rotted_is_named(tmp_path):
    path = tmp_path / "q.db"
    with DuckQueue(path, owner="inline") as queue:
        queue.enqueue_batch([(echo, (os.urandom(500),)) for _ in range(3_000)])
    held = bytearray(path.read_bytes())
    block = 262_144
    for at in range(12_288 + block, len(held), block):  # spoil every block; the headers stay
        if struct.unpack_from("<Q", held, at)[0]:
            held[at + 5_000] ^= 0xFF
    path.write_bytes(held)
    found = doctor(path)
    assert not found.healthy
    with pytest.raises(StorageError):
        repair(path)
    assert not doctor(path).healthy
