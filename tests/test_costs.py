"""What a job costs in counts: bytes on the wire, in the journal, on disk; syncs, transactions, statements.

Counts are the same on a fast machine and a slow one, so a limit can be close: each stands beside what was
measured, and `hold` lets a quarter more pass. Who makes something cheaper lowers its figure here. Everything
is real: what is counted passes through a wrapper on its way.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from queuack_store import DuckQueue
from queuack_store.duckdb import opening
from queuack_store.engine import applier
from queuack_store.jobs import Outcome
from queuack_store.journal.disk import Disk
from queuack_store.requests import Claim, Finish, GetVitals
from queuack_store.sharing import frames, link
from queuack_store.sharing.client import ClientStore

HEADROOM = 1.25  # what may be had above what was measured
ALONE = 200  # jobs that are enqueued, claimed or finished with a request each
BATCH = 1_000
CLAIMED = 100  # jobs in a claim, as a busy worker has them
MANY = 20_000  # enough jobs for DuckDB's blocks of 256 kB not to blur their size


def hold(**pairs: tuple[float, float]) -> None:
    """Fail where a count is over what was measured when this was written, with its head-room."""
    over = {name: pair for name, pair in pairs.items() if pair[0] > pair[1] * HEADROOM}
    assert not over, f"costs more than it did (now, then): {over}"
    assert all(now > 0 for now, _ in pairs.values()), "nothing was counted: the wrapper sits at a dead place"


def calls(count: int) -> list[Any]:
    return [(math.sqrt, (i,)) for i in range(count)]


def enqueue_alone(queue: DuckQueue, count: int = ALONE) -> None:
    for i in range(count):
        queue.enqueue(math.sqrt, (i,), check_backpressure=False)


def claim(store: Any, count: int) -> list[Any]:
    return store.call(Claim([("default", 1)], count, count, whole=True))


def finish(store: Any, jobs: list[Any]) -> None:
    assert store.call(Finish([Outcome(job.id, job.claim, "done", b"J1.0") for job in jobs])) == []


def finish_in_parts(store: Any, jobs: list[Any]) -> None:
    assert len(jobs) == BATCH
    for start in range(0, BATCH, CLAIMED):
        finish(store, jobs[start : start + CLAIMED])


# -- on the wire, to a real owner process ---------------------------------------------------------------


class Wire:
    """Counts what the clients of this process send and receive."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent = self.received = 0
        push, feed = link.Link.push, frames.Assembler.feed

        def counted_push(this: link.Link, data: bytes) -> bool:
            self.sent += len(data)
            return push(this, data)

        def counted_feed(this: frames.Assembler, data: bytes) -> list[bytes]:
            self.received += len(data)
            return feed(this, data)

        monkeypatch.setattr(link.Link, "push", counted_push)
        monkeypatch.setattr(frames.Assembler, "feed", counted_feed)

    def per_job(self, jobs: int, work: Callable[[], object]) -> tuple[float, float]:
        """Return the bytes sent and received per job while `work` ran."""
        self.sent = self.received = 0
        work()
        return self.sent / jobs, self.received / jobs


def test_bytes_per_job_on_the_wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wire, path = Wire(monkeypatch), tmp_path / "jobs.duckdb"
    with DuckQueue(path) as queue:
        sent, answered = wire.per_job(ALONE, lambda: enqueue_alone(queue))
        hold(enqueue=(sent, 151), enqueue_answers=(answered, 15.4))
        sent, _ = wire.per_job(BATCH, lambda: queue.enqueue_batch(calls(BATCH)))
        hold(batch=(sent, 128))
        store, jobs = ClientStore(path), []
        asked, received = wire.per_job(
            BATCH, lambda: jobs.extend(job for _ in range(BATCH // CLAIMED) for job in claim(store, CLAIMED))
        )
        hold(claims=(asked, 0.53), claimed=(received, 80.3))
        sent, answered = wire.per_job(BATCH, lambda: finish_in_parts(store, jobs))
        hold(finish=(sent, 48.9), finish_answers=(answered, 0.13))
        store.close()


def test_a_sync_per_answer_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "jobs.duckdb"
    with DuckQueue(path) as queue:
        store = ClientStore(path)

        def commits() -> int:
            return sum(store.call(GetVitals()).commits.counts)

        before = commits()
        enqueue_alone(queue)
        assert commits() - before == ALONE  # who waits alone is not kept waiting for others, nor synced twice
        before = commits()
        queue.enqueue_batch(calls(BATCH))
        assert commits() - before == 1
        before = commits()
        for _ in range(BATCH // CLAIMED):
            finish(store, claim(store, CLAIMED))
        assert commits() - before == 2 * BATCH // CLAIMED
        store.close()


# -- behind the answer, in an engine of this process ----------------------------------------------------


class Behind:
    """Counts what an inline engine writes to its journal and asks of DuckDB."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counted: Counter[str] = Counter()
        writev, sync, open_writer = Disk.writev, Disk.sync, opening.open_writer

        def counted_writev(this: Disk, fd: int, parts: Any) -> int:
            written = writev(this, fd, parts)
            self.counted["bytes"] += written
            return written

        def counted_sync(this: Disk, fd: int) -> None:
            self.counted["syncs"] += 1
            sync(this, fd)

        monkeypatch.setattr(Disk, "writev", counted_writev)
        monkeypatch.setattr(Disk, "sync", counted_sync)
        monkeypatch.setattr(opening, "open_writer", lambda path: Writer(open_writer(path), self.counted))
        # Records gather until somebody hurries the applier, however long the load takes here.
        for name in ("INTERVAL_S", "MAX_INTERVAL_S", "MAX_LAG_S"):
            monkeypatch.setattr(applier, name, 3_600.0)

    def of(self, work: Callable[[], object]) -> Counter[str]:
        """Return what was counted while `work` ran."""
        before = self.counted.copy()
        work()
        return self.counted - before


class Writer:
    """DuckDB's connection that writes, with its statements counted."""

    def __init__(self, connection: Any, counted: Counter[str]) -> None:
        self._connection = connection
        self._counted = counted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *parameters: Any) -> Any:
        kind = statement.split(maxsplit=1)[0]
        self._counted["statements"] += 1
        self._counted[kind] += 1
        return self._connection.execute(statement, *parameters)


def test_bytes_and_syncs_in_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    behind = Behind(monkeypatch)
    with DuckQueue(tmp_path / "jobs.duckdb", owner="inline") as queue:
        alone = behind.of(lambda: enqueue_alone(queue))
        batch = behind.of(lambda: queue.enqueue_batch(calls(BATCH)))
        jobs: list[Any] = []
        claimed = behind.of(lambda: jobs.extend(claim(queue.store, BATCH)))
        finished = behind.of(lambda: finish(queue.store, jobs))
    hold(
        alone=(alone["bytes"] / ALONE, 282),
        batch=(batch["bytes"] / BATCH, 166),
        claimed=(claimed["bytes"] / BATCH, 62.4),
        finished=(finished["bytes"] / BATCH, 144),
    )
    # Nothing else is synced: one more per segment is made room for, none per record.
    assert ALONE <= alone["syncs"] <= ALONE + 2
    assert [batch["syncs"], claimed["syncs"], finished["syncs"]] == [1, 1, 1]


def test_transactions_and_statements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    behind = Behind(monkeypatch)

    def load() -> None:
        enqueue_alone(queue)
        for _ in range(ALONE):
            finish(queue.store, claim(queue.store, 1))

    def catch_up() -> None:
        queue.sql("SELECT 1").fetchall()

    with DuckQueue(tmp_path / "jobs.duckdb", owner="inline") as queue:
        load()
        load()
        catch_up()  # now the statements are planned, for more rows than come
        ahead = behind.of(load)
        applied = behind.of(catch_up)
    assert ahead["syncs"] >= 3 * ALONE  # so many cycles ...
    assert ahead["statements"] == 0  # ... of which none asks DuckDB for anything
    assert applied["BEGIN"] == applied["COMMIT"] == 1  # one transaction for all of them
    hold(statements=(applied["statements"], 9))


def test_bytes_per_finished_job_on_disk(tmp_path: Path) -> None:
    empty, full = tmp_path / "empty.duckdb", tmp_path / "full.duckdb"
    DuckQueue(empty, owner="inline").close()
    with DuckQueue(full, owner="inline") as queue:
        queue.enqueue_batch(calls(MANY))
        while jobs := claim(queue.store, 1_000):
            finish(queue.store, jobs)
        assert queue.stats()["done"] == MANY
    # Closing has checkpointed: there is no journal and no log of DuckDB's beside the file.
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file() and path.stat().st_size) == [
        empty.name,
        full.name,
    ]
    hold(finished=((full.stat().st_size - empty.stat().st_size) / MANY, 65.6))
