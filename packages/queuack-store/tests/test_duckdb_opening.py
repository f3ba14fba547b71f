"""From a path to an open database: made whole, adopted, migrated, or refused by name with nothing changed."""

import gzip
import os
import shutil
import stat
import struct
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from queuack_store.clock import SystemClock
from queuack_store.duckdb import damage, opening, queries
from queuack_store.duckdb.database import open_database
from queuack_store.engine.changes import Record
from queuack_store.engine.journalling import no_probe
from queuack_store.engine.reads import ReadSql
from queuack_store.errors import (
    DamagedFileError,
    FileInUseError,
    NewerSchemaError,
    NotADatabaseError,
    ReadOnlyStoreError,
    StorageError,
)

DATA = Path(__file__).parent / "data"


def open_(path):
    return open_database(path, SystemClock(), no_probe)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_new_file_is_whole_private_and_empty(tmp_path):
    path = tmp_path / "q.db"
    database = open_(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert database.cycle == 0
    assert len(database.database_id) == 16
    held = database.snapshot()
    assert (held.next_seq, held.next_claim, held.counts) == (1, 1, [])
    database.close()
    assert sorted(os.listdir(tmp_path)) == ["q.db"]


def test_closing_leaves_one_file_that_knows_its_cycle_and_id(tmp_path):
    path = tmp_path / "q.db"
    database = open_(path)
    database.apply([Record(1, 0.0, 5, 6)])
    made = database.database_id
    database.close()
    database.close()
    assert sorted(os.listdir(tmp_path)) == ["q.db"]
    again = open_(path)
    assert (again.cycle, again.database_id) == (1, made)
    assert again.snapshot().next_claim == 6
    again.close()


def test_everything_is_for_its_user_only_whatever_the_umask(tmp_path):
    before = os.umask(0o022)
    try:
        path = tmp_path / "q.db"
        database = open_(path)
        for cycle in range(1, 4):
            database.apply([Record(cycle, 0.0, 5, 6)])
            modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir()}
            assert modes == {"q.db": 0o600, "q.db.wal": 0o600, "q.db.files": 0o700}
            assert Path(f"{path}.wal").stat().st_size > 0
            assert database.checkpoint()  # deletes the log; the next commit begins another
        spilled = database.read(ReadSql("SELECT current_setting('temp_directory')", None, 9.0, False, 0))
        assert Path(spilled.rows[0][0]).parent == Path(f"{path}.files")
        database.close()
        assert os.listdir(tmp_path) == ["q.db"]
    finally:
        os.umask(before)


def test_a_log_left_open_to_others_is_made_private(tmp_path):
    path = tmp_path / "q.db"
    database = open_(path)
    database.apply([Record(1, 0.0, 5, 6)])
    database._connections.close()
    os.chmod(f"{path}.wal", 0o644)
    again = open_(path)
    assert again.cycle == 1
    assert stat.S_IMODE(os.stat(f"{path}.wal").st_mode) == 0o600
    again.close()


def test_what_a_killed_owner_spilled_goes_with_the_next_opening(tmp_path):
    left = tmp_path / "q.db.files" / "spilled"
    left.mkdir(parents=True)
    (left / "duckdb_temp_storage").write_bytes(b"half a sort")
    database = open_(tmp_path / "q.db")
    assert os.listdir(tmp_path / "q.db.files") == []
    database.close()


def test_two_files_have_different_ids(tmp_path):
    one, two = open_(tmp_path / "1.db"), open_(tmp_path / "2.db")
    assert one.database_id != two.database_id
    one.close()
    two.close()


def test_a_link_is_followed_to_the_one_file(tmp_path):
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    database = open_(tmp_path / "link.db")
    database.apply([Record(1, 0.0, 1, 1)])
    database.close()
    assert sorted(os.listdir(tmp_path)) == ["link.db", "real.db"]


def test_creation_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(connection, path):
        raise OSError("the power went")

    monkeypatch.setattr(opening, "bring_up_to_date", fail)
    with pytest.raises(OSError, match="power"):
        opening.create(tmp_path / "q.db")
    assert os.listdir(tmp_path) == []


def test_what_a_killed_creation_left_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "_remove", lambda draft: None)  # as a process that is killed
    monkeypatch.setattr(opening.os, "rename", lambda draft, path: os.stat("/the power went"))
    with pytest.raises(FileNotFoundError):
        opening.create(tmp_path / "q.db")
    assert os.listdir(tmp_path) != []
    monkeypatch.undo()
    opening.create(tmp_path / "q.db")
    assert os.listdir(tmp_path) == ["q.db"]


@pytest.mark.parametrize("head", [b"", b"\0" * 4096, b"\0" * 8192, b"\0" * 8 + b"DUCK" + b"\0" * 4084])
def test_a_creation_that_was_cut_off_is_set_aside(tmp_path, head):
    path = tmp_path / "q.db"
    path.write_bytes(head)
    database = open_(path)
    assert database.cycle == 0
    database.close()
    (aside,) = tmp_path.glob("q.db.aborted-*")
    assert aside.read_bytes() == head


@pytest.mark.parametrize("held", [b"my notes", b"x" * 20_000])
def test_some_other_file_is_refused_and_kept(tmp_path, held):
    path = tmp_path / "notes.txt"
    path.write_bytes(held)
    with pytest.raises(NotADatabaseError, match=r"notes\.txt"):
        open_(path)
    assert contents(tmp_path) == {"notes.txt": held}


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(NotADatabaseError):
        open_(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(StorageError, match="does not exist"):
        open_(tmp_path / "nowhere" / "q.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ReadOnlyStoreError):
        open_(tmp_path / "q.db")


@pytest.mark.parametrize("suffix", ["wal", "wal.checkpoint"])
def test_a_log_without_its_database_is_refused_and_kept(tmp_path, suffix):
    # Trap T5: DuckDB would make an empty database and delete the log.
    (tmp_path / f"q.db.{suffix}").write_bytes(b"log")
    with pytest.raises(DamagedFileError, match="missing"):
        open_(tmp_path / "q.db")
    assert contents(tmp_path) == {f"q.db.{suffix}": b"log"}


def test_the_log_of_another_database_is_refused(tmp_path):
    for name in ("one", "two"):
        database = open_(tmp_path / f"{name}.db")
        database.apply([Record(1, 0.0, 1, 1)])
        database._connections.close()  # as a crash would: with the log in place
    shutil.copy(tmp_path / "one.db.wal", tmp_path / "two.db.wal")
    before = contents(tmp_path)
    with pytest.raises(DamagedFileError, match=r"two\.db\.wal belongs to another"):
        open_(tmp_path / "two.db")
    assert contents(tmp_path) == before


def test_a_file_beside_tables_of_the_user_is_adopted(tmp_path):
    path = tmp_path / "experiments.db"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE results AS SELECT 42 AS score")
    database = open_(path)
    joined = "SELECT score, count(j.id) FROM results LEFT JOIN jobs j ON true GROUP BY ALL"
    assert database.read(ReadSql(joined, None, 5.0, False, 0)).rows == [[42, 0]]
    database.close()


def test_a_table_of_the_user_with_a_name_of_ours_is_refused(tmp_path):
    path = tmp_path / "other.db"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE jobs (title VARCHAR)")
    before = contents(tmp_path)
    with pytest.raises(NotADatabaseError, match="named jobs") as caught:
        open_(path)
    assert caught.value.facts["tables"] == ["jobs"]
    assert contents(tmp_path) == before


def test_a_table_of_ours_that_is_missing_is_named(tmp_path):
    path = tmp_path / "q.db"
    open_(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP TABLE job_results")
    with pytest.raises(DamagedFileError, match="job_results"):
        open_(path)


def test_a_newer_schema_is_refused(tmp_path):
    path = tmp_path / "q.db"
    open_(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE queuack_meta SET schema_version = 99")
    with pytest.raises(NewerSchemaError, match="version 99") as caught:
        open_(path)
    assert caught.value.facts["version"] == 99


def test_a_newer_duckdb_is_named(tmp_path):
    path = tmp_path / "q.db"
    open_(path).close()
    held = bytearray(path.read_bytes())
    held[12:20] = struct.pack("<Q", 9_999)  # the storage version, in the checksummed first page
    held[0:8] = struct.pack("<Q", damage.checksum(bytes(held[8:4096])))
    path.write_bytes(held)
    with pytest.raises(NewerSchemaError, match="newer DuckDB"):
        open_(path)


def test_an_older_schema_goes_forward_and_keeps_its_rows(tmp_path, monkeypatch):
    path = tmp_path / "q.db"
    database = open_(path)
    database.apply([Record(7, 0.0, 5, 6)])
    database.close()
    steps = {**queries.migrations(), 2: ["CREATE TABLE queuack_extra (note VARCHAR)"]}
    monkeypatch.setattr("queuack_store.duckdb.migrate.migrations", lambda: steps)
    monkeypatch.setattr("queuack_store.duckdb.migrate.latest_version", lambda: 2)
    database = open_(path)
    assert database.cycle == 7
    assert Path(f"{path}.wal").stat().st_size == 0  # no DDL stays in the log
    query = "SELECT schema_version, (SELECT count(*) FROM queuack_extra) FROM queuack_meta"
    assert database.read(ReadSql(query, None, 5.0, False, 0)).rows == [[2, 0]]
    database.close()


def test_a_migration_that_fails_changes_nothing(tmp_path, monkeypatch):
    path = tmp_path / "q.db"
    open_(path).close()
    steps = {
        **queries.migrations(),
        2: ["CREATE TABLE queuack_extra (note VARCHAR)", "SELECT no_such_column"],
    }
    with monkeypatch.context() as patched:
        patched.setattr("queuack_store.duckdb.migrate.migrations", lambda: steps)
        patched.setattr("queuack_store.duckdb.migrate.latest_version", lambda: 2)
        with pytest.raises(duckdb.Error):
            open_(path)
    database = open_(path)
    found = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'queuack_extra'"
    assert database.read(ReadSql(found, None, 5.0, False, 0)).rows == [[0]]
    database.close()


def test_a_file_of_duckdb_1_5_with_a_crashed_log_opens(tmp_path):
    path = tmp_path / "q.db"
    for suffix in ("", ".wal"):
        packed = gzip.decompress((DATA / f"duckdb15_crashed.db{suffix}.gz").read_bytes())
        Path(f"{path}{suffix}").write_bytes(packed)
    database = open_(path)
    held = database.snapshot()
    assert (held.cycle, held.next_seq) == (50, 51)
    assert held.counts == [("default", "done", 45), ("default", "pending", 5)]
    database.apply([Record(51, 1.0, 51, 51)])
    database.close()
    again = open_(path)
    assert again.cycle == 51
    again.close()


def test_another_program_that_holds_the_file_is_named(tmp_path):
    path = tmp_path / "q.db"
    open_(path).close()
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(FileInUseError, match=f"PID {holder.pid}") as caught:
            open_(path)
        assert caught.value.facts["pid"] == holder.pid
        assert caught.value.retryable
        holder.stdin.close()
        assert holder.wait() == 0
    open_(path).close()
