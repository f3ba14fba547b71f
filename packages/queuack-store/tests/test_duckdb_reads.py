"""Reads give the engine the rows it asked for, in its order, beside the thread that applies."""

import threading

import pytest
from queuack_store.clock import SystemClock
from queuack_store.duckdb.database import open_database
from queuack_store.engine.changes import Attempt, JobState, NewRow, Record, RunRow, RunState
from queuack_store.engine.journalling import no_probe
from queuack_store.engine.reads import ReadDelayed, ReadJobs, ReadQuery, ReadReady, ReadResults, ReadSql
from queuack_store.errors import InvalidRequestError, StoreClosedError
from queuack_store.ids import new_id, new_ids
from queuack_store.jobs import NewJob, NewRun

AT = 1_700_000_000.0


@pytest.fixture
def database():
    made = open_database(None, SystemClock(), no_probe)
    yield made
    made.close()


def row(seq, status="pending", queue="default", priority=50, task="mod:fn", **parts):
    spec = {name: parts.pop(name) for name in list(parts) if name in ("id", "parents", "run_id")}
    state = {
        "execute_after": None, "attempts": 0, "claim": 0, "claimed_by": None, "session": None,
        "claimed_at": None, "started_at": None, "completed_at": None, "waiting_on": 0,
        "error": None, "skip_reason": None, "suspect": False, "max_attempts": 3,
    }  # fmt: skip
    job = NewJob(spec.pop("id", None) or new_id(), task, b"payload %d" % seq, queue, priority, **spec)
    return NewRow(job, AT + seq, JobState(seq=seq, status=status, priority=priority, **{**state, **parts}))


def apply(database, new=(), **parts):
    cycle = database.cycle + 1
    database.apply([Record(cycle, AT + cycle, 1_000, 1_000, new=list(new), **parts)])


def seqs(jobs):
    return [job.seq for job in jobs]


def query(database, name, **params):
    return database.read(ReadQuery(name, params, 0))


def test_ready_jobs_come_by_priority_then_age_page_by_page(database):
    priorities = [50, 0, 100, 50, 100, 7]
    apply(database, [row(seq, priority=priority) for seq, priority in enumerate(priorities, 1)])
    apply(database, [row(7, "claimed"), row(8, "delayed"), row(9, queue="other", priority=100)])
    found, after = [], None
    while page := database.read(ReadReady("default", None, after, 2)):
        found += page
        after = (-page[-1].priority, page[-1].seq)
    assert seqs(found) == [3, 5, 1, 4, 6, 2]
    assert found[0].spec.payload == b"payload 3"
    assert database.read(ReadReady("unknown", None, None, 10)) == []


def test_ready_jobs_of_a_run_are_those_of_its_sub_runs_too(database):
    top, below, deeper, other = new_ids(4)
    runs = [
        NewRun(top, "top"),
        NewRun(below, "b", None, top),
        NewRun(deeper, "d", None, below),
        NewRun(other, "o"),
    ]
    new = [row(seq, run_id=run.id) for seq, run in enumerate(runs, 1)]
    apply(database, [*new, row(5)], new_runs=[RunRow(run, AT, 1) for run in runs])
    assert seqs(database.read(ReadReady(None, top, None, 10))) == [1, 2, 3]
    assert seqs(database.read(ReadReady(None, below, (-50, 2), 10))) == [3]
    assert seqs(database.read(ReadReady("default", other, None, 10))) == [4]
    assert database.read(ReadReady("unknown", top, None, 10)) == []


def test_delayed_jobs_come_by_due_time_then_age(database):
    due = {1: 30.0, 2: 10.25, 3: 10.25, 4: 20.0}
    apply(database, [row(seq, "delayed", execute_after=AT + after) for seq, after in due.items()])
    apply(database, [row(5)])
    first = database.read(ReadDelayed(None, 2))
    assert seqs(first) == [2, 3]
    assert first[0].execute_after == AT + 10.25
    assert seqs(database.read(ReadDelayed((first[0].execute_after, 2), 10))) == [3, 4, 1]


def test_jobs_by_id_leave_out_those_that_are_unknown(database):
    known = row(1)
    apply(database, [known])
    assert seqs(database.read(ReadJobs([new_id(), known.spec.id]))) == [1]
    assert database.read(ReadJobs([])) == []


def test_edges_come_with_every_kind_of_read(database):
    a, b, c = new_ids(3)
    apply(database, [row(1, id=a), row(2, id=b), row(3, "waiting", id=c, parents=(b, a), waiting_on=2)])
    apply(database, states=[row(1, "claimed").state])
    assert database.snapshot().claimed[0].children == [c]
    assert database.read(ReadReady("default", None, None, 10))[0].children == [c]
    (child,) = database.read(ReadJobs([c]))
    assert (child.spec.parents, child.children, child.waiting_on) == ((b, a), [], 2)


def test_a_float_survives_as_a_microsecond(database):
    moments = [AT + n / 7 for n in range(200)]
    apply(database, [row(seq, "delayed", execute_after=moment) for seq, moment in enumerate(moments, 1)])
    for job in database.read(ReadDelayed(None, 200)):
        assert abs(job.execute_after - moments[job.seq - 1]) < 1e-6
        # What was read is a key that reads on behind itself.
        after = database.read(ReadDelayed((job.execute_after, job.seq), 1))
        assert seqs(after) == ([job.seq + 1] if job.seq < 200 else [])


def test_results_tell_the_last_error_and_traceback(database):
    done, failed, fresh = row(1, "done"), row(2, "failed"), row(3)
    apply(
        database, [done, failed, fresh], results=[(done.spec.id, b"value")],
        attempts=[
            Attempt(failed.spec.id, 5, 1, "w", AT, AT, AT, "failed", "first", "old"),
            Attempt(failed.spec.id, 9, 2, "w", AT, AT, AT, "failed", "last", "trace"),
        ],
    )  # fmt: skip
    found = database.read(ReadResults([done.spec.id, failed.spec.id, fresh.spec.id]))
    assert found == [(done.spec.id, b"value", None, None), (failed.spec.id, None, "last", "trace")]


def test_dead_letters_are_views_of_the_latest_failures(database):
    new = [row(1, "failed", completed_at=AT + 9), row(2, "failed", queue="other", completed_at=AT + 8)]
    apply(database, [*new, row(3, "failed", completed_at=AT + 10, error="why"), row(4, "done")])
    found = query(database, "dead_letters", limit=2, queue=None)
    assert seqs(found) == [3, 1]
    assert (found[0].error, found[0].completed_at, found[0].retry.cap_s) == ("why", AT + 10, 300.0)
    assert seqs(query(database, "dead_letters", limit=9, queue="other")) == [2]


def test_purge_candidates_have_no_unfinished_child(database):
    a, b = new_ids(2)
    apply(database, [row(1, "done", id=a, completed_at=AT), row(2, "done", id=b, completed_at=AT)])
    apply(database, [row(3, parents=(a,)), row(4, "skipped", parents=(b,), completed_at=AT)])
    apply(
        database, [row(5, "done", queue="other", completed_at=AT + 5), row(6, "done", completed_at=AT + 50)]
    )

    def candidates(**wanted):
        given = {"queue": None, "status": "done", "before": AT + 20, "limit": 10, **wanted}
        return query(database, "purge_candidates", **given)

    assert [found[1] for found in candidates()] == ["default", "other"]
    assert candidates(queue="default") == [(b, "default")]
    assert len(candidates(status="skipped")) == 1
    assert candidates(limit=1) == [(b, "default")]


def test_runs_are_found_by_id_key_and_parent_with_their_jobs_counted(database):
    run = NewRun(new_id(), "run", "text", None, "key", b"facts")
    sub = NewRun(new_id(), "sub", None, run.id)
    apply(
        database, [row(1, "done", run_id=run.id), row(2, run_id=run.id), row(3, run_id=sub.id)],
        new_runs=[RunRow(run, AT, 2), RunRow(sub, AT, 1)], runs=[RunState(run.id, "running", None)],
    )  # fmt: skip
    (found,) = query(database, "run", id=run.id)
    expected = {
        "id": run.id, "name": "run", "description": "text", "parent_id": None, "run_key": "key",
        "facts": b"facts", "created_at": AT, "status": "running", "completed_at": None, "total": 2,
        "counts": {"done": 1, "pending": 1},
    }  # fmt: skip
    assert found == expected
    assert query(database, "run_by_key", key="key") == [found]
    assert query(database, "run_by_key", key="other") == []
    assert [child["name"] for child in query(database, "run_children", id=run.id)] == ["sub"]
    assert seqs(query(database, "run_jobs", id=run.id)) == [1, 2]
    assert {stored.spec.id for stored in query(database, "stored_runs", ids=[sub.id])} == {run.id, sub.id}
    assert query(database, "stored_runs", ids=[]) == []
    # A run's facts may be megabytes, and the engine never looks at them: what it is told comes without.
    told = [*database.snapshot().runs, *query(database, "stored_runs", ids=[sub.id])]
    assert [(one.spec.name, one.spec.facts) for one in told] == [("run", b""), ("sub", b"")] * 2


def test_descendants_that_were_skipped(database):
    a, b, c, d = new_ids(4)
    new = [
        row(1, "failed", id=a),
        row(2, "skipped", id=b, parents=(a,)),
        row(3, "skipped", id=c, parents=(b,)),
    ]
    apply(database, [*new, row(4, "done", id=d, parents=(a,)), row(5, "skipped", parents=(d,))])
    assert query(database, "skipped_descendants", ids=[a]) == [b, c]
    assert query(database, "failed_ids", queue=None, limit=5) == [a]


def test_how_long_tasks_take_and_the_oldest_that_waits(database):
    jobs = [row(seq, "done", task="slow" if seq % 2 else "quick") for seq in range(1, 7)]
    attempts = [
        Attempt(job.spec.id, seq, 1, "w", AT, AT, AT, "done", duration_s=2.0 if seq % 2 else seq / 100)
        for seq, job in enumerate(jobs, 1)
    ]
    apply(database, [*jobs, row(7), row(8)], attempts=attempts)
    assert query(database, "task_durations") == [("quick", 0.04), ("slow", 2.0)]
    assert query(database, "oldest_ready") == [("default", AT + 7)]


def test_a_query_that_does_not_exist_is_named(database):
    with pytest.raises(InvalidRequestError, match="no_such"):
        query(database, "no_such")


def test_a_closed_database_says_so(database):
    database.close()
    with pytest.raises(StoreClosedError):
        database.read(ReadJobs([new_id()]))


def test_readers_never_see_half_a_transaction_nor_each_others_rows(tmp_path):
    # Trap T6: one connection used by several threads hands one thread the rows of another.
    database = open_database(tmp_path / "q.db", SystemClock(), no_probe)
    own = {name: row(seq, queue=name, status="done") for seq, name in enumerate("abcd", 1)}
    apply(database, own.values())
    ended, wrong = threading.Event(), []

    def read(name):
        while not ended.is_set():
            (found,) = database.read(ReadJobs([own[name].spec.id]))
            if found.spec.queue != name:
                wrong.append((name, found.spec.queue))
            pairs = "SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM job_payloads)"
            ((jobs, payloads),) = database.read(ReadSql(pairs, None, 30.0, False, 0)).rows
            if jobs != payloads or (jobs - 4) % 3:
                wrong.append((jobs, payloads))

    threads = [threading.Thread(target=read, args=(name,)) for name in own]
    for thread in threads:
        thread.start()
    for cycle in range(60):
        apply(database, [row(10 + 3 * cycle + n) for n in range(3)])
    ended.set()
    for thread in threads:
        thread.join()
    database.close()
    assert wrong == []
