"""Payloads and results that together are larger than the memory DuckDB may use."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import pytest
from queuack_store.clock import SystemClock
from queuack_store.duckdb.database import DuckBackend, open_database
from queuack_store.duckdb.pieces import PIECE_BYTES
from queuack_store.engine.changes import JobState, NewRow, Record
from queuack_store.engine.inbox import OpenSession
from queuack_store.engine.journalling import no_probe
from queuack_store.engine.lookup import Loaded
from queuack_store.engine.reads import ReadBackup, ReadJobs, ReadReady, ReadResults, ReadSql
from queuack_store.engine.refill import REST_S
from queuack_store.errors import StorageError
from queuack_store.ids import new_id
from queuack_store.jobs import NewJob, SessionInfo
from queuack_store.requests import Claim, Enqueue
from queuack_store.testing.bench import Bench

MEGABYTE = 1_000_000
JOBS = 600  # more megabytes than the 512 of the cap
RANDOM = random.Random(7).randbytes(2 * MEGABYTE)


def body(seq: int) -> bytes:
    """Half of it compressible, as real payloads are; of its own for each job."""
    half = RANDOM[seq * 1_009 :][: MEGABYTE // 2]
    return half + half[: MEGABYTE // 4].hex().encode()


def new_row(seq: int, payload: bytes, status: str = "pending") -> NewRow:
    state = JobState(seq, status, 50, None, 0, 0, None, None, None, None, None, 0, None, None, False, 3)
    return NewRow(NewJob(new_id(), "mod:fn", payload), 1.0, state)


def apply(database: DuckBackend, new: list[NewRow], results: dict[bytes, bytes] | None = None) -> None:
    cycle = database.cycle + 1
    database.apply([Record(cycle, 1.0, 10_000, 10_000, new=new, results=results or {})])


def opened(path: Path | None) -> DuckBackend:
    return open_database(path, SystemClock(), no_probe)


def test_jobs_of_a_megabyte_come_back_from_a_file_larger_than_the_memory_cap(tmp_path: Path) -> None:
    path = tmp_path / "q.db"
    rows = {seq: new_row(seq, body(seq)) for seq in range(1, JOBS + 1)}
    database = opened(path)
    for first in range(1, JOBS + 1, 100):
        some = [rows[seq] for seq in range(first, first + 100)]
        apply(database, some, {row.spec.id: row.spec.payload[::-1] for row in some[-2:]})
        assert database.checkpoint()
    database.close()

    database, after, seq = opened(path), None, 0
    while page := database.read(ReadReady("default", None, after, 200, 16 * MEGABYTE)):
        assert len(page) <= 22
        for job in page:
            seq += 1
            assert (job.seq, job.spec.payload) == (seq, rows[seq].spec.payload)
        after = (-50, seq)
    assert seq == JOBS
    last = rows[JOBS].spec
    assert database.read(ReadResults([last.id])) == [(last.id, last.payload[::-1], None, None)]
    query = "SELECT sum(octet_length(payload))::BIGINT FROM job_payloads"
    total = sum(len(row.spec.payload) for row in rows.values())
    assert database.read(ReadSql(query, None, 60.0, False, 0)).rows == [[total]]
    assert Path(database.read(ReadBackup("copy", 0)).path).stat().st_size > 512 * MEGABYTE
    database.close()


@pytest.mark.parametrize(
    "size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, 3 * PIECE_BYTES + 5]
)
def test_payloads_and_results_of_any_size_come_back_whole(size: int) -> None:
    database, value = opened(None), RANDOM[:size]
    rows = [new_row(1, b"small"), new_row(2, value), new_row(3, value * 2)]
    apply(database, rows, {rows[0].spec.id: value * 3, rows[1].spec.id: value})
    apply(database, [], {rows[0].spec.id: value})  # the last one counts, however many pieces each has
    found = database.read(ReadJobs([row.spec.id for row in rows]))
    assert sorted((job.seq, job.spec.payload) for job in found) == [(1, b"small"), (2, value), (3, value * 2)]
    ids = [row.spec.id for row in rows[:2]]
    assert database.read(ReadResults(ids)) == [(id_, value, None, None) for id_ in ids]
    database.close()


def test_a_page_ends_with_the_row_that_makes_it_as_large_as_was_asked() -> None:
    database = opened(None)
    apply(database, [new_row(seq, bytes(1_000)) for seq in range(1, 11)])

    def page(max_bytes: int | None) -> int:
        return len(database.read(ReadReady("default", None, None, 10, max_bytes)))

    assert [page(n) for n in (None, 0, 1, 1_000, 1_001, 9_001, 10_000, 10_001)] == [
        10,
        1,
        1,
        1,
        2,
        10,
        10,
        10,
    ]
    database.close()


def test_a_refill_that_fails_rests_before_it_is_asked_again() -> None:
    bench = Bench()
    ask = partial(bench.ask, b"s" * 16)
    ask(OpenSession(SessionInfo(b"s" * 16, pid=1)))
    ask(Enqueue([NewJob(b"j" * 16, "t:f", b"payload")]))
    bench.restart()
    bench.cycle()
    for _ in range(2):
        ((token, read),) = (asked for asked in bench.reads if isinstance(asked[1], ReadReady))
        bench.reads.remove((token, read))
        bench.inbox.append(Loaded(token, StorageError("out of memory")))
        bench.cycle()
        for rested in (0.0, REST_S / 2):
            decision = bench.core.decide([], bench.now + rested)
            bench.core.accept()
            assert decision.wake_at == bench.now + REST_S
            assert not any(isinstance(asked, ReadReady) for _, asked in bench.core.open_reads())
        bench.now += REST_S
        bench.cycle()
    bench.settle()
    ask(OpenSession(SessionInfo(b"s" * 16, pid=1)))
    (held,) = ask(Claim([("default", 0)]))
    assert held.id == b"j" * 16
