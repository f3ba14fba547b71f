"""What a crash tears is mended exactly, with copies kept; what can't be is refused and left as it was."""

import gzip
import random
from pathlib import Path

import pytest
from queuack_store.clock import SystemClock
from queuack_store.duckdb import damage
from queuack_store.duckdb.database import open_database
from queuack_store.duckdb.repair import connect_repaired
from queuack_store.engine.changes import JobState, NewRow, Record
from queuack_store.engine.journalling import no_probe
from queuack_store.engine.reads import ReadSql
from queuack_store.errors import DamagedFileError
from queuack_store.ids import new_id
from queuack_store.jobs import NewJob

DATA = Path(__file__).parent / "data"
CYCLES = 12


def open_(path):
    return open_database(path, SystemClock(), no_probe)


def record(cycle):
    state = JobState(cycle, "pending", 50, None, 0, 0, None, None, None, None, None, 0, None, None, False, 3)
    return Record(cycle, 1e9, cycle + 1, 1, new=[NewRow(NewJob(new_id(), "t", b"p" * 50), 1e9, state)])


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    """A database with a log of CYCLES transactions, and where in the log each of them ends."""
    path = tmp_path_factory.mktemp("crashed") / "q.db"
    database = open_(path)
    ends = []
    for cycle in range(1, CYCLES + 1):
        database.apply([record(cycle)])
        ends.append(Path(f"{path}.wal").stat().st_size)
    database._connections.close()  # as a crash would: nothing is checkpointed
    return path.read_bytes(), Path(f"{path}.wal").read_bytes(), ends


def lay_out(folder, database, log):
    path = folder / "q.db"
    path.write_bytes(database)
    Path(f"{path}.wal").write_bytes(log)
    return path


def cycle_after_opening(path):
    database = open_(path)
    cycle = database.cycle
    assert database.snapshot().counts == ([("default", "pending", cycle)] if cycle else [])
    database.apply([record(cycle + 1)])
    database.close()
    again = open_(path)
    assert again.cycle == cycle + 1
    again.close()
    return cycle


def test_a_checkpoint_torn_by_a_kill_is_mended_with_every_acknowledged_row(tmp_path):
    path = tmp_path / "a.db"
    torn = {}
    for suffix in ("", ".wal"):
        torn[suffix] = gzip.decompress((DATA / f"torn_checkpoint.db{suffix}.gz").read_bytes())
        Path(f"{path}{suffix}").write_bytes(torn[suffix])
    connection, mended = connect_repaired(path)
    assert len(mended) == 1
    assert "byte 12288" in mended[0]
    log = [row[0] for row in connection.execute("SELECT * FROM log ORDER BY 1").fetchall()]
    assert log in (list(range(1, 10)), list(range(1, 11)))  # nine were acknowledged
    jobs = sorted(row[0] for row in connection.execute("SELECT id FROM job").fetchall())
    assert jobs == log[-20:]
    connection.execute("CHECKPOINT")
    connection.close()
    (copies,) = tmp_path.glob("a.db.corrupt-*")
    assert (copies / "a.db").read_bytes() == torn[""]
    assert (copies / "a.db.wal").read_bytes() == torn[".wal"]
    connection, mended = connect_repaired(path)
    assert mended == []
    connection.close()


def test_a_block_that_is_not_as_the_error_says_is_left_alone(tmp_path, monkeypatch):
    path = tmp_path / "q.db"
    open_(path).close()
    held = bytearray(path.read_bytes())
    held[100] ^= 1  # in the first page, in front of the blocks
    path.write_bytes(held)
    with pytest.raises(Exception, match=r"q\.db"):
        open_(path)
    assert path.read_bytes() == bytes(held)


def expected_cycles(ends, cut):
    return sum(end <= cut for end in ends)


@pytest.mark.parametrize("seed", range(12))
def test_a_log_cut_anywhere_opens_with_the_exact_prefix(tmp_path, crashed, seed):
    database, log, ends = crashed
    cut = random.Random(seed).randrange(100, len(log))
    path = lay_out(tmp_path, database, log[:cut])
    assert cycle_after_opening(path) == expected_cycles(ends, cut)


@pytest.mark.parametrize("tail", ["zeros", "garbage"])
@pytest.mark.parametrize("seed", range(10))
def test_a_torn_tail_is_cut_off_exactly(tmp_path, crashed, seed, tail):
    database, log, ends = crashed
    rng = random.Random(seed)
    cut = rng.randrange(ends[0], ends[-1])
    length = rng.choice([64, 4_096])
    path = lay_out(
        tmp_path, database, log[:cut] + (bytes(length) if tail == "zeros" else rng.randbytes(length))
    )
    assert cycle_after_opening(path) == expected_cycles(ends, cut)


def test_pages_of_the_last_commit_may_be_missing_in_any_order(tmp_path, crashed):
    # One commit is one write of several records: after a power cut a later page may be there, an earlier not.
    database, log, ends = crashed
    first = ends[-2] + 20
    torn = log[:first] + bytes(100) + log[first + 100 :]
    path = lay_out(tmp_path, database, torn)
    assert cycle_after_opening(path) == CYCLES - 1
    (copies,) = tmp_path.glob("q.db.corrupt-*")
    assert (copies / "q.db.wal").read_bytes() == torn


@pytest.mark.parametrize("seed", range(8))
def test_damage_with_whole_transactions_behind_it_is_refused(tmp_path, crashed, seed):
    database, log, ends = crashed
    at = random.Random(seed).randrange(ends[0] + 16, ends[-2])
    rotten = bytearray(log)
    rotten[at] ^= 1
    path = lay_out(tmp_path, database, bytes(rotten))
    try:
        opened = open_(path)
    except DamagedFileError:
        assert Path(f"{path}.wal").read_bytes() == bytes(rotten)
        assert not list(tmp_path.glob("q.db.corrupt-*"))
    else:
        # DuckDB takes a broken length for the end of the log. What it read is a prefix, and the journal's
        # records that follow its cycle are applied again.
        assert opened.cycle < CYCLES
        opened._connections.close()


def test_rows_that_contradict_each_other_are_refused_after_a_repair(tmp_path):
    path = tmp_path / "q.db"
    database = open_(path)
    database.apply([record(1), record(2)])
    database._connections.writer.execute("DELETE FROM job_payloads WHERE seq = 1")
    end = Path(f"{path}.wal").stat().st_size
    database.apply([record(3)])
    database._connections.close()
    log = Path(f"{path}.wal").read_bytes()
    Path(f"{path}.wal").write_bytes(log[: end + 30] + bytes(200))
    with pytest.raises(DamagedFileError, match="every job has its payload"):
        open_(path)


def test_the_checksum_is_duckdbs(crashed):
    _, log, ends = crashed
    assert damage.valid_end(log) == len(log) == ends[-1]
    first = damage.first_record(log)
    assert damage.payload_at(log, first) is not None
    assert damage.payload_at(log, first + 1) is None


def test_a_repaired_database_still_answers(tmp_path, crashed):
    database, log, _ = crashed
    path = lay_out(tmp_path, database, log + b"\x40" + bytes(7) + b"x" * 300)
    opened = open_(path)
    assert opened.read(ReadSql("SELECT count(*) FROM job_payloads", None, 5.0, False, 0)).rows == [[CYCLES]]
    opened.close()
