"""What DuckDB and the system do when things go wrong, and that nothing acknowledged is lost by it."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import duckdb
import pytest
from queuack_store.clock import SystemClock
from queuack_store.duckdb.database import open_database
from queuack_store.engine.changes import JobState, NewRow, Record
from queuack_store.engine.journalling import no_probe
from queuack_store.engine.reads import ReadJobs, ReadSql
from queuack_store.errors import (
    DamagedFileError,
    FileReplacedError,
    RecordRefusedError,
    StorageError,
    StorageFullError,
)
from queuack_store.ids import new_id, new_ids
from queuack_store.jobs import NewJob

# For the processes that these tests start: records of `count` jobs, numbered on.
HELPER = """
import gc, os, sys
from queuack_store.clock import SystemClock
from queuack_store.duckdb.database import open_database
from queuack_store.engine.changes import JobState, NewRow, Record
from queuack_store.engine.journalling import no_probe
from queuack_store.ids import new_ids
from queuack_store.jobs import NewJob

def record(cycle, count=3, size=20):
    first = cycle * count
    new = [
        NewRow(NewJob(id_, "t", os.urandom(size)), 1e9, JobState(
            first + n, "pending", 50, None, 0, 0, None, None, None, None, None, 0, None, None, False, 3))
        for n, id_ in enumerate(new_ids(count))
    ]
    return Record(cycle, 1e9, first + count, 1, new=new)

database = open_database(sys.argv[1], SystemClock(), no_probe)
"""


def record(cycle, count=3, size=20):
    first = cycle * count
    new = [
        NewRow(
            NewJob(id_, "t", os.urandom(size)),
            1e9,
            JobState(
                first + n, "pending", 50, None, 0, 0, None, None, None, None, None, 0, None, None, False, 3
            ),
        )
        for n, id_ in enumerate(new_ids(count))
    ]
    return Record(cycle, 1e9, first + count, 1, new=new)


def open_(path):
    return open_database(path, SystemClock(), no_probe)


def count(database):
    return database.read(ReadSql("SELECT count(*) FROM jobs", None, 30.0, False, 0)).rows[0][0]


def run(code, path):
    command = [sys.executable, "-c", HELPER + textwrap.dedent(code), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


FULL_DISK = """
import resource
from queuack_store.errors import StorageFullError
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

limit(2 << 20)
cycle = 0
try:
    while True:
        database.apply([record(cycle + 1, 500, 500)])
        cycle += 1
except StorageFullError as error:
    assert error.facts["cycle"] == cycle + 1, error.facts
held = database.snapshot()
assert (database.cycle, held.cycle, held.counts) == (cycle, cycle, [("default", "pending", 500 * cycle)])
assert cycle > 1
{then}
limit(resource.RLIM_INFINITY)
database.apply([record(cycle + 1, 500, 500)])
assert database.snapshot().counts == [("default", "pending", 500 * (cycle + 1))]
database.close()
print(database.cycle)
"""


@pytest.mark.parametrize(
    "then",
    [
        pytest.param("", id="commit"),
        pytest.param(
            "database._log.has_room = lambda: True\nassert database.checkpoint() is False", id="checkpoint"
        ),
    ],
)
def test_a_full_disk_stores_nothing_and_goes_on_when_there_is_room(tmp_path, then):
    path = tmp_path / "q.db"
    code = FULL_DISK
    if then:
        # The limit is below what the checkpoint must write: DuckDB invalidates the instance.
        code = code.replace("{then}", f"limit(300 << 10)\n{then}\nassert database.cycle == cycle")
    done = run(code.replace("{then}", then), path)
    assert done.returncode == 0, done.stderr
    again = open_(path)
    assert again.cycle == int(done.stdout)
    again.close()


def test_without_room_there_is_no_checkpoint_and_one_warning(tmp_path, monkeypatch, caplog):
    database = open_(tmp_path / "q.db")
    database.apply([record(1)])
    real = os.statvfs(tmp_path)
    short = os.statvfs_result([*real[:4], 1, *real[5:]])
    with monkeypatch.context() as patched:
        patched.setattr("queuack_store.duckdb.log.os.statvfs", lambda _: short)
        assert [database.checkpoint() for _ in range(3)] == [False] * 3
        assert len(caplog.records) == 1
    assert database.checkpoint()
    database.close()


def test_a_commit_that_succeeded_before_it_failed_counts(tmp_path, monkeypatch):
    # "COMMIT succeeded and is durable, but ...": the outcome is what the file says.
    database = open_(tmp_path / "q.db")
    applier, real = database._applier, database._applier.apply

    def fail_afterwards(records):
        real(records)
        raise duckdb.FatalException("FATAL Error: COMMIT succeeded and is durable, but the checkpoint failed")

    monkeypatch.setattr(applier, "apply", fail_afterwards)
    database.apply([record(1)])
    assert (database.cycle, count(database)) == (1, 3)
    database.apply([record(2)])
    assert (database.cycle, count(database)) == (2, 6)
    database.close()


@pytest.mark.parametrize("kind", [duckdb.FatalException, duckdb.InternalException])
def test_an_invalidated_instance_is_opened_again(tmp_path, monkeypatch, kind):
    database = open_(tmp_path / "q.db")
    database.apply([record(1)])

    def fail(records):
        raise kind("could not write: No space left on device")

    monkeypatch.setattr(database._applier, "apply", fail)
    with pytest.raises(StorageFullError):
        database.apply([record(2)])
    assert database.cycle == 1
    database.apply([record(2)])
    assert count(database) == 6
    database.close()


def test_a_commit_that_stored_nothing_is_noticed(tmp_path, monkeypatch):
    # Trap T2: COMMIT says OK. What counts is the cycle that is read back.
    database = open_(tmp_path / "q.db")
    monkeypatch.setattr(database._applier, "apply", lambda records: None)
    with pytest.raises(RecordRefusedError, match="holds 0"):
        database.apply([record(1)])
    database.close()


def test_want_of_memory_is_no_damage(tmp_path, monkeypatch):
    database = open_(tmp_path / "q.db")

    def no_memory():
        raise duckdb.OutOfMemoryException("Out of Memory Error: Failed to allocate block")

    monkeypatch.setattr(database._connections, "reader", no_memory)
    with pytest.raises(StorageError, match="for want of memory") as caught:
        database.snapshot()
    assert not isinstance(caught.value, DamagedFileError)
    database.close()


def test_a_log_that_was_taken_away_is_noticed(tmp_path):
    # Trap T4: what a forked child does to its parent by simply ending.
    path = tmp_path / "q.db"
    database = open_(path)
    database.apply([record(1)])
    assert database.checkpoint()
    database.apply([record(2)])
    os.unlink(f"{path}.wal")
    with pytest.raises(FileReplacedError, match="cycle 1 of 3"):
        database.apply([record(3)])
    database.close()


def test_a_file_that_was_replaced_is_noticed(tmp_path):
    path = tmp_path / "q.db"
    database = open_(path)
    database.apply([record(1)])
    open_(tmp_path / "other.db").close()
    os.unlink(f"{path}.wal")
    os.replace(tmp_path / "other.db", path)
    with pytest.raises(FileReplacedError):
        database.apply([record(2)])
    database.close()


def test_our_own_checkpoint_is_no_such_alarm(tmp_path):
    database = open_(tmp_path / "q.db")
    for cycle in range(1, 6):
        database.apply([record(cycle)])
        assert database.checkpoint()
    database.close()


def test_a_bulk_load_that_goes_round_the_log_is_no_such_alarm(tmp_path):
    # Over a row group (122,880 rows) DuckDB writes to the file itself before the commit.
    path = tmp_path / "q.db"
    database = open_(path)
    database.apply([record(1)])
    database.apply([record(2, 130_000, 4)])
    database.apply([record(3)])
    assert database.snapshot().counts == [("default", "pending", 130_006)]
    database.close()


def test_a_checkpoint_waits_for_an_older_reader(tmp_path):
    database = open_(tmp_path / "q.db")
    database.apply([record(1)])
    with database._connections.reader() as reader:
        reader.cursor.execute("SELECT * FROM jobs").fetchall()
        state = record(1).new[0].state
        database.apply([Record(2, 1e9, 10, 1, states=[state])])
        assert database.checkpoint() is False
    assert database.checkpoint() is True
    database.close()


def test_checkpoints_are_due_by_transactions_and_by_size(tmp_path, monkeypatch):
    database = open_(tmp_path / "q.db")
    assert not database.checkpoint_due()
    monkeypatch.setattr("queuack_store.duckdb.log.MAX_TRANSACTIONS", 2)
    database.apply([record(1)])
    assert not database.checkpoint_due()
    database.apply([record(2)])
    assert database.checkpoint_due()
    assert database.checkpoint()
    assert not database.checkpoint_due()
    monkeypatch.setattr("queuack_store.duckdb.log.MAX_LOG_BYTES", 1)
    database.apply([record(3)])
    assert database.checkpoint_due()
    database.close()


def test_the_files_lock_is_held_whatever_this_room_does(tmp_path):
    # Trap T3: one open() of the file in this process would drop DuckDB's lock.
    path = tmp_path / "q.db"
    database = open_(path)
    database.apply([record(1)])
    database.checkpoint_due()
    database.checkpoint()
    database.apply([record(2)])
    database.read(ReadSql("SELECT * FROM range(20000)", None, 30.0, False, 0))
    done = run("", path)
    assert "FileInUseError" in done.stderr
    assert f"PID {os.getpid()}" in done.stderr
    database.close()


FORK = """
database.apply([record(1)])
child = os.fork()
if child == 0:
    database.abandon()
    del database
    gc.collect()
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
for cycle in range(2, 12):
    database.apply([record(cycle)])
os.kill(os.getpid(), 9)
"""


def test_a_forked_child_that_abandons_the_database_leaves_its_parent_whole(tmp_path):
    path = tmp_path / "q.db"
    done = run(FORK, path)
    assert done.returncode == -signal.SIGKILL, done.stderr
    database = open_(path)
    assert (database.cycle, count(database)) == (11, 33)
    database.close()


def test_an_abandoned_database_is_closed(tmp_path):
    path = tmp_path / "q.db"
    done = run("database.apply([record(1)]); database.abandon(); database.close()", path)
    assert done.returncode == 0, done.stderr
    assert Path(f"{path}.wal").exists()  # nothing was checkpointed on the way out


KILLED = """
for cycle in range(database.cycle + 1, 1_000_000):
    database.apply([record(cycle)])
    print(cycle, flush=True)
    if cycle % 3 == 0:
        database.checkpoint()
"""


def kill_and_reopen(path, after):
    with subprocess.Popen(
        [sys.executable, "-c", HELPER + KILLED, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        acknowledged = 0
        for line in process.stdout:
            acknowledged = int(line)
            if after and acknowledged >= after:
                break
        process.kill()
        rest = process.stdout.read().split()
    acknowledged = int(rest[-1]) if rest and rest[-1].isdigit() else acknowledged
    database = open_(path)
    assert database.cycle >= acknowledged
    assert count(database) == 3 * database.cycle
    database.close()
    return database.cycle


def test_a_kill_between_checkpoints_loses_nothing(tmp_path):
    path, cycle = tmp_path / "q.db", 0
    for _ in range(4):
        cycle = kill_and_reopen(path, cycle + 7)


@pytest.mark.prove
def test_many_kills_between_checkpoints_lose_nothing(tmp_path):
    path, cycle = tmp_path / "q.db", 0
    for round_ in range(150):
        cycle = kill_and_reopen(path, cycle + 1 + round_ % 40)


def test_a_read_is_run_again_where_the_instance_was_made_good_meanwhile(tmp_path, monkeypatch):
    database = open_(tmp_path / "q.db")
    one = record(1)
    database.apply([one])
    real, seen = database._read, []

    def read(connections, wanted):
        seen.append(connections)
        if len(seen) == 1:
            database._reopen()  # what the applying thread does after a FatalException
        return real(connections, wanted)

    monkeypatch.setattr(database, "_read", read)
    assert len(database.read(ReadJobs([one.new[0].spec.id, new_id()]))) == 1
    assert len(seen) == 2
    database.close()
