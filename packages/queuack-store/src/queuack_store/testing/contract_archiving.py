"""Contract: copies for keeping, made while the queue is in use."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from queuack_store.errors import InvalidRequestError
from queuack_store.queue import DuckQueue
from queuack_store.testing.tasks import MakeQueue, claimed, echo, fail_for_good, finish


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class ArchivingContract:
    """Backups and exports."""

    def test_a_backup_is_a_queue_with_every_job(self, make_queue: MakeQueue, tmp_path: Path) -> None:
        queue = make_queue()
        done, failed = queue.enqueue(echo, ("kept",)), queue.enqueue(echo, max_attempts=1)
        finish(queue)
        fail_for_good(queue, failed)
        parent = queue.enqueue(echo, priority=90)
        child = queue.enqueue(echo, ("c",), depends_on=parent)
        queue.pause("held")
        claimed(queue, parent)
        queue.enqueue(echo, queue="held")
        told: list[tuple[int, int]] = []
        counts = queue.backup(tmp_path / "copy.db", lambda done, of: told.append((done, of)))
        assert counts == {"jobs": 5, "job_attempts": 2, "job_dependencies": 1, "dag_runs": 0}
        assert _mode(tmp_path / "copy.db") == 0o600
        assert told[-1][0] == told[-1][1] == (tmp_path / "copy.db").stat().st_size
        queue.ack(parent)
        after = queue.enqueue(echo)

        with DuckQueue(tmp_path / "copy.db", owner="inline") as copy:
            assert copy.get_result(done) == "kept"
            assert copy.list_dead_letters()[0].id == failed
            assert copy.get_job(after) is None
            assert copy.queues()["held"]["paused"] == 1
            assert [row["outcome"] for row in copy.attempts(parent)] == ["died"]  # it ran: that was cut off
            copy.reschedule(parent)
            claimed(copy, parent)
            copy.ack(parent)
            claimed(copy, child)
        assert queue.stats()["done"] == 2  # each goes its own way
        queue.backup(tmp_path / "again.db")

    def test_what_exists_is_never_overwritten(self, make_queue: MakeQueue, tmp_path: Path) -> None:
        queue = make_queue()
        (tmp_path / "file").write_text("mine")
        (tmp_path / "folder").mkdir()
        os.symlink(tmp_path / "nowhere", tmp_path / "link")
        for name in ("file", "folder", "link"):
            for make in (queue.backup, queue.export_history):
                with pytest.raises(InvalidRequestError, match=f"{name} exists"):
                    make(tmp_path / name)
        for make in (queue.backup, queue.export_history):
            with pytest.raises(InvalidRequestError, match="does not exist"):
                make(tmp_path / "missing" / "copy")
        assert (tmp_path / "file").read_text() == "mine"
        assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith("jobs.db")) == [
            "file", "folder", "link",
        ]  # fmt: skip

    def test_the_history_goes_out_by_day(self, make_queue: MakeQueue, tmp_path: Path) -> None:
        queue = make_queue()
        done, failed = (
            queue.enqueue(echo, ("x",), tags=["t"]),
            queue.enqueue(echo, max_attempts=2, retry_delay=0),
        )
        queue.enqueue(echo, priority=0)  # never ends
        finish(queue)
        queue.ack(claimed(queue, failed), error="first")
        queue.ack(claimed(queue, failed), error="second")
        assert queue.export_history(tmp_path / "all") == {"jobs": 2, "job_attempts": 3}
        found = queue.get_job(done)
        assert found is not None
        assert found.completed_at is not None
        day = found.completed_at.astimezone(UTC).date()
        assert f"day={day}" in {p.name for p in (tmp_path / "all" / "jobs").iterdir()}
        jobs = f"read_parquet('{tmp_path}/all/jobs/**/*.parquet')"
        attempts = f"read_parquet('{tmp_path}/all/job_attempts/**/*.parquet')"
        found_again = duckdb.execute(f"SELECT status FROM {jobs} WHERE id = '{done}'").fetchall()
        assert found_again == [("done",)]
        rows = duckdb.execute(
            f"SELECT a.error FROM {jobs} j JOIN {attempts} a ON a.job_id = j.id ORDER BY a.claim"
        )
        assert rows.fetchall() == [(None,), ("first",), ("second",)]
        assert _mode(tmp_path / "all") == 0o700
        assert {_mode(p) for p in (tmp_path / "all").rglob("*.parquet")} == {0o600}

    def test_an_export_can_be_a_part_of_the_history(self, make_queue: MakeQueue, tmp_path: Path) -> None:
        queue = make_queue()
        queue.enqueue(echo)
        finish(queue)
        now = datetime.now(UTC)
        before, after = now - timedelta(days=1), now + timedelta(days=1)
        assert queue.export_history(tmp_path / "1", since=before, until=after)["jobs"] == 1
        assert queue.export_history(tmp_path / "2", until=before) == {"jobs": 0, "job_attempts": 0}
        assert queue.export_history(tmp_path / "3", since=after.date())["job_attempts"] == 0
        with pytest.raises(InvalidRequestError, match="not before"):
            queue.export_history(tmp_path / "4", since=after, until=before)
        with pytest.raises(InvalidRequestError, match="since"):
            queue.export_history(tmp_path / "4", since="yesterday")  # type: ignore[arg-type]
        assert not (tmp_path / "4").exists()
