"""Copies made under load, on full disks, by owners that are killed and handles that are closed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
from queuack_store import DuckQueue, StorageFullError, StoreClosedError, archiving
from queuack_store.duckdb import copying
from queuack_store.duckdb.queries import sql
from queuack_store.testing.tasks import LONG_S, echo, finish


@pytest.fixture
def queue(tmp_path):
    with DuckQueue(tmp_path / "jobs.db", owner="inline") as queue:
        yield queue


class Held:
    """Holds a copy up when it is filled but not yet whole."""

    def __init__(self, monkeypatch):
        self.begun, self.go_on = threading.Event(), threading.Event()
        real = copying._fill

        def fill(cursor, alias):
            counted = real(cursor, alias)
            self.begun.set()
            assert self.go_on.wait(LONG_S)
            return counted

        monkeypatch.setattr(copying, "_fill", fill)


def test_claims_go_on_while_a_backup_is_made(queue, tmp_path, monkeypatch):
    held = Held(monkeypatch)
    before = queue.enqueue_batch([(echo, (i,)) for i in range(100)])
    with ThreadPoolExecutor(1) as pool:
        copy = pool.submit(queue.backup, tmp_path / "copy.db")
        assert held.begun.wait(LONG_S)
        for _ in range(50):
            finish(queue)
        after = queue.enqueue(echo)
        assert queue.sql("SELECT count(*) FROM jobs WHERE status = 'done'").fetchall() == [(50,)]
        assert not copy.done()
        assert not (tmp_path / "copy.db").exists()  # its name comes last
        held.go_on.set()
        copy.result(LONG_S)
    with duckdb.connect(str(tmp_path / "copy.db")) as found:
        assert {str(row[0]) for row in found.execute("SELECT id FROM jobs").fetchall()} == set(before)
        assert found.execute(sql("check_invariants")).fetchall() == []
    assert queue.get_job(after).status == "pending"


def test_a_backup_under_load_contradicts_itself_nowhere(tmp_path):
    stop = threading.Event()
    with DuckQueue(tmp_path / "jobs.db") as queue, DuckQueue(tmp_path / "jobs.db") as other:
        acked: list[str] = []

        def load() -> None:
            while not stop.is_set():
                parent = other.enqueue(echo, check_backpressure=False)
                acked.append(other.enqueue(echo, depends_on=parent, check_backpressure=False))
                finish(other)

        thread = threading.Thread(target=load)
        thread.start()
        try:
            for turn in range(5):
                sure = list(acked)
                queue.backup(tmp_path / f"{turn}.db")
                with duckdb.connect(str(tmp_path / f"{turn}.db")) as found:
                    assert found.execute(sql("check_invariants")).fetchall() == []
                    ids = {str(row[0]) for row in found.execute("SELECT id FROM jobs").fetchall()}
                assert set(sure) <= ids
        finally:
            stop.set()
            thread.join()


def test_closing_gives_a_backup_up(tmp_path, monkeypatch):
    held = Held(monkeypatch)
    queue = DuckQueue(tmp_path / "jobs.db", owner="inline")
    job = queue.enqueue(echo)
    with ThreadPoolExecutor(1) as pool:
        copy = pool.submit(queue.backup, tmp_path / "copy.db")
        assert held.begun.wait(LONG_S)
        closing = threading.Thread(target=queue.close)
        closing.start()
        with pytest.raises(StoreClosedError):
            copy.result(LONG_S)
        held.go_on.set()
        closing.join(LONG_S)
    assert not (tmp_path / "copy.db").exists()
    assert not list(tmp_path.glob("jobs.db.files/*"))
    with DuckQueue(tmp_path / "jobs.db", owner="inline") as queue:
        assert queue.get_job(job).status == "pending"


def test_a_killed_owners_backup_is_made_again_by_the_next(tmp_path):
    with DuckQueue(tmp_path / "jobs.db") as queue:
        ids = queue.enqueue_batch([(echo, (os.urandom(2_000),)) for i in range(20_000)])
        killed = []

        def told(done: int, of: int) -> None:
            if done and not killed:
                killed.append(int((tmp_path / "jobs.db.lock").read_text().split()[0]))
                os.kill(killed[0], signal.SIGKILL)

        while not killed:  # a copy may be quicker than the first look at it
            queue.backup(tmp_path / "copy.db", told)
            if not killed:
                (tmp_path / "copy.db").unlink()
        with duckdb.connect(str(tmp_path / "copy.db")) as found:
            assert found.execute("SELECT count(*) FROM jobs").fetchone() == (len(ids),)
    assert not list(tmp_path.glob("jobs.db.files/*.wal"))


def test_no_backup_where_the_disk_has_no_room_for_it(queue, tmp_path, monkeypatch):
    job = queue.enqueue(echo)
    monkeypatch.setattr(copying, "_RESERVE_BYTES", 1 << 60)
    with pytest.raises(StorageFullError, match="no backup"):
        queue.backup(tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
    finish(queue)
    assert queue.get_job(job).status == "done"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_disk_that_fills_up_meanwhile_costs_the_copy_alone(tmp_path, monkeypatch):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", str(small)]).returncode:
        pytest.skip("no mount here")
    try:
        monkeypatch.setattr(copying, "_check_room", lambda path: None)
        with DuckQueue(small / "jobs.db", owner="inline") as queue:
            ids = queue.enqueue_batch([(echo, (os.urandom(1_000),)) for _ in range(6_000)])
            assert queue.sql("SELECT count(*) FROM jobs").fetchall() == [(6_000,)]
            disk = os.statvfs(small)
            (small / "ballast").write_bytes(bytes(disk.f_bavail * disk.f_frsize - (3 << 20)))
            with pytest.raises(StorageFullError):
                queue.backup(tmp_path / "copy")
            with pytest.raises(StorageFullError):  # here it is the target's disk
                archiving._put_file(_large_file(tmp_path), small / "target")
            assert not (tmp_path / "copy").exists()
            assert sorted(p.name for p in small.iterdir() if "jobs.db" not in p.name) == ["ballast"]
            assert not list((small / "jobs.db.files").glob("*"))
            finish(queue)
            assert queue.get_job(ids[0]).status == "done"
            (small / "ballast").unlink()
            queue.backup(tmp_path / "copy")
        with DuckQueue(small / "jobs.db", owner="inline") as queue:
            assert queue.stats()["pending"] == 5_999
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def _large_file(folder):
    source = folder / "source"
    source.write_bytes(bytes(8 << 20))
    return source


def test_another_disk_is_reached_by_way_of_a_passing_name(tmp_path):
    other = Path("/dev/shm")
    if not other.is_dir() or os.stat(other).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("there is one disk here")
    place = other / f"queuack-test-{os.getpid()}"
    place.mkdir()
    try:
        with DuckQueue(tmp_path / "jobs.db", owner="inline") as queue:
            queue.enqueue(echo)
            finish(queue)
            queue.backup(place / "copy.db")
            assert queue.export_history(place / "history")["jobs"] == 1
        assert sorted(p.name for p in place.iterdir()) == ["copy.db", "history"]
        assert duckdb.sql(f"SELECT count(*) FROM '{place}/history/jobs/**/*.parquet'").fetchall() == [(1,)]
        with DuckQueue(place / "copy.db", owner="inline") as copy:
            assert copy.stats()["done"] == 1
    finally:
        shutil.rmtree(place)


def test_a_copy_goes_with_the_users_own_tables(tmp_path):
    with DuckQueue(tmp_path / "jobs.db", owner="inline") as queue:
        queue.enqueue(echo)
    with duckdb.connect(str(tmp_path / "jobs.db")) as mine:
        mine.execute("CREATE TABLE mine AS SELECT 42 AS answer")
    with DuckQueue(tmp_path / "jobs.db", owner="inline") as queue:
        queue.backup(tmp_path / "copy.db")
    with duckdb.connect(str(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT answer FROM mine").fetchall() == [(42,)]
