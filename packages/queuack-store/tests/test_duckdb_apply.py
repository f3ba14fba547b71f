"""Records become rows: whole, in order, once, whatever their number per transaction."""

import random

import msgspec
import pytest
from queuack_store.clock import SystemClock
from queuack_store.duckdb.database import open_database
from queuack_store.engine.changes import (
    Answer,
    Attempt,
    Explanation,
    JobState,
    NewRow,
    Record,
    RunRow,
    RunState,
    decode,
    encode,
)
from queuack_store.engine.journalling import no_probe
from queuack_store.engine.reads import ReadJobs, ReadQuery, ReadResults, ReadSql
from queuack_store.errors import RecordRefusedError
from queuack_store.ids import new_id, new_ids
from queuack_store.jobs import NewJob, NewRun, SessionInfo
from queuack_store.retry import RetryPolicy

AT = 1_700_000_000.25


@pytest.fixture
def database():
    made = open_database(None, SystemClock(), no_probe)
    yield made
    made.close()


def state(seq, status="pending", **changed):
    given = {
        "priority": 50, "execute_after": None, "attempts": 0, "claim": 0, "claimed_by": None, "session": None,
        "claimed_at": None, "started_at": None, "completed_at": None, "waiting_on": 0, "error": None,
        "skip_reason": None, "suspect": False, "max_attempts": 3,
    }  # fmt: skip
    return JobState(seq=seq, status=status, **{**given, **changed})


def new_row(seq, id_=None, status="pending", **spec):
    return NewRow(NewJob(id_ or new_id(), "mod:fn", b"p%d" % seq, **spec), AT, state(seq, status))


def record(cycle, **parts):
    return decode(encode(Record(cycle, AT + cycle, 1_000, 1_000, **parts)))


def rows(database, query):
    return database.read(ReadSql(query, None, 10.0, False, 0)).rows


def dump(database):
    """Every table, in one order."""
    tables = [
        "jobs", "job_payloads", "job_results", "job_attempts", "job_dependencies", "dag_runs",
        "queuack_sessions", "queuack_answers", "queuack_queues",
    ]  # fmt: skip
    return {name: rows(database, f"SELECT * FROM {name} ORDER BY ALL") for name in tables}


def test_a_whole_job_comes_back_as_it_went_in(database):
    parents = new_ids(2)
    spec = NewJob(
        new_id(), "mod:fn", b"\0payload\xff", "böse ' queue\0", 100, 7, None, 0.0, tuple(parents), "any",
        "node", new_id(), RetryPolicy(0.5, 3.0, 0.0, 60.0), 90.5, ("a", "b'c"),
    )  # fmt: skip
    full = state(
        9, "claimed", priority=77, execute_after=AT + 5.5, attempts=2, claim=41, claimed_by="w",
        session=b"s" * 16, claimed_at=AT + 1, started_at=AT + 2, completed_at=AT + 3, waiting_on=1,
        error="e\nß", skip_reason="r", suspect=True, max_attempts=9,
    )  # fmt: skip
    others = [new_row(1, parents[0]), new_row(2, parents[1])]
    database.apply([record(1, new=[*others, NewRow(spec, AT, full)])])

    (job,) = database.read(ReadJobs([spec.id]))
    assert job.spec == NewJob(
        spec.id, spec.task, spec.payload, spec.queue, 77, 7, None, 0.0, spec.parents, "any", "node",
        spec.run_id, spec.retry, spec.expires_s, spec.tags,
    )  # fmt: skip
    for field in full.__struct_fields__:
        if field != "seq":
            assert getattr(job, field) == getattr(full, field), field
    assert (job.seq, job.created_at, job.expires_at) == (9, AT, AT + 90.5)
    (parent,) = database.read(ReadJobs([parents[0]]))
    assert parent.children == [spec.id]


def test_a_record_is_applied_once(database):
    first = record(1, new=[new_row(1)])
    database.apply([first])
    database.apply([first])
    assert database.cycle == 1
    assert rows(database, "SELECT count(*) FROM jobs") == [[1]]


def test_the_last_state_of_a_job_wins_within_and_across_batches(database):
    row = new_row(1)
    claimed, done = state(1, "claimed", claim=1), state(1, "done", claim=1, completed_at=AT)
    database.apply([record(1, new=[row]), record(2, states=[claimed])])
    assert database.read(ReadJobs([row.spec.id]))[0].status == "claimed"
    database.apply([record(3, states=[state(1, "delayed"), state(1)]), record(4, states=[done])])
    assert database.read(ReadJobs([row.spec.id]))[0].status == "done"
    assert database.snapshot().counts == [("default", "done", 1)]


def test_a_later_result_replaces_the_earlier(database):
    row = new_row(1)
    database.apply([record(1, new=[row], results=[(row.spec.id, b"first")])])
    database.apply([record(2, results=[(row.spec.id, b"second")])])
    assert database.read(ReadResults([row.spec.id])) == [(row.spec.id, b"second", None, None)]


def test_purging_takes_everything_of_the_job_and_nothing_else(database):
    gone, stays = new_row(1), new_row(2)
    child = NewRow(NewJob(new_id(), "mod:fn", b"p3", parents=(gone.spec.id, stays.spec.id)), AT, state(3))
    attempt = [Attempt(row.spec.id, 1, 1, "w", AT, AT, AT, "done") for row in (gone, stays)]
    results = [(row.spec.id, b"r") for row in (gone, stays)]
    database.apply([record(1, new=[gone, stays, child], attempts=attempt, results=results)])
    database.apply([record(2, purged=[gone.spec.id])])
    held = dump(database)
    assert [len(held[name]) for name in ("jobs", "job_payloads", "job_results", "job_attempts")] == [
        2,
        2,
        1,
        1,
    ]
    assert len(held["job_dependencies"]) == 1


def test_what_follows_a_purge_in_the_same_batch_is_not_swept_away(database):
    row = new_row(1)
    again = new_row(2, row.spec.id)
    database.apply([record(1, new=[row]), record(2, purged=[row.spec.id]), record(3, new=[again])])
    assert [job.seq for job in database.read(ReadJobs([row.spec.id]))] == [2]


def test_runs_queues_and_sessions_keep_their_last_state(database):
    run = NewRun(new_id(), "run", "why", new_id(), "key", b"facts")
    infos = [SessionInfo(new_id(), 10, 20, "boot", "name"), SessionInfo(new_id()), SessionInfo(new_id())]
    database.apply(
        [
            record(
                1, new_runs=[RunRow(run, AT, 3)], paused=[("a", True), ("b", True)], opened=infos,
                new=[new_row(1, run_id=run.id), new_row(2, run_id=run.id, status="done")],
            ),
            record(
                2, runs=[RunState(run.id, "running", None)], paused=[("b", False)],
                closed=[(infos[1].id, AT)],
            ),
        ]
    )  # fmt: skip
    database.apply([record(3, closed=[(infos[2].id, AT)])])
    held = database.snapshot()
    assert held.paused == ["a"]
    assert held.sessions == [infos[0]]
    known = msgspec.structs.replace(run, facts=b"")  # who asks for a run's facts reads them himself
    assert [(found.spec, found.counts) for found in held.runs] == [(known, {"pending": 1, "done": 1})]
    database.apply([record(4, runs=[RunState(run.id, "done", AT)])])
    assert database.snapshot().runs == []


def test_answers_go_once_they_are_no_longer_awaited(database):
    one, two = new_id(), new_id()
    database.apply(
        [
            record(1, opened=[SessionInfo(one), SessionInfo(two)], answers=[Answer(one, 1, 1, b"1")]),
            record(2, answers=[Answer(one, 2, 1, b"2"), Answer(two, 1, 1, b"x")]),
        ]
    )
    assert sorted(database.snapshot().answers) == sorted([(one, 1, b"1"), (one, 2, b"2"), (two, 1, b"x")])
    database.apply([record(3, answers=[Answer(one, 3, 3, b"3")])])
    assert sorted(database.snapshot().answers) == sorted([(one, 3, b"3"), (two, 1, b"x")])


def test_answers_outlive_their_session_by_ten_minutes(database):
    one = new_id()
    database.apply(
        [record(1, opened=[SessionInfo(one)], answers=[Answer(one, 1, 1, b"1")], closed=[(one, AT)])]
    )
    database.apply([Record(2, AT + 590, 1_000, 1_000)])
    assert database.snapshot().answers == [(one, 1, b"1")]
    database.apply([Record(3, AT + 660, 1_000, 1_000)])
    assert database.snapshot().answers == []
    assert rows(database, "SELECT count(*) FROM queuack_sessions") == [[0]]


def test_a_refused_record_is_named_and_those_before_it_are_applied(database):
    bad = NewRow(NewJob(new_id(), "mod:fn", b"p"), AT, state(2, priority=1_000))  # TINYINT
    batch = [record(1, new=[new_row(1)]), record(2, new=[bad]), record(3, new=[new_row(3)])]
    with pytest.raises(RecordRefusedError, match="cycle 2") as caught:
        database.apply(batch)
    assert caught.value.facts["cycle"] == 2
    assert database.cycle == 1
    assert rows(database, "SELECT seq FROM jobs") == [[1]]


@pytest.mark.parametrize(
    "unstorable",
    [
        pytest.param({"claim": 1 << 70}, id="integer over 64 bits"),
        pytest.param({"completed_at": 1e300}, id="time beyond the calendar"),
        pytest.param({"attempts": "many"}, id="wrong type"),
    ],
)
def test_nothing_of_a_refused_transaction_is_stored(database, unstorable):
    # Trap T2: DuckDB answers COMMIT with OK after a failed statement, and stores nothing.
    bad = Record(1, AT, 5, 5, new=[new_row(1)], states=[state(1, **unstorable)])
    with pytest.raises(RecordRefusedError):
        database.apply([bad])
    assert database.cycle == 0
    assert rows(database, "SELECT count(*) FROM jobs") == [[0]]
    database.apply([record(1, new=[new_row(1)])])
    assert database.cycle == 1


def test_text_that_utf8_can_not_hold_is_stored_with_marks(database):
    row = new_row(1)
    database.apply([Record(1, AT, 5, 5, new=[row], states=[state(1, error="bad \ud800 text")])])
    assert database.read(ReadJobs([row.spec.id]))[0].error == "bad ? text"


def random_history(rng, cycles):
    """Records as an engine might write them: jobs come, change, end with results, and are purged."""
    alive, seq = {}, 0
    sessions = new_ids(3)
    for cycle in range(1, cycles + 1):
        parts = {"new": [], "states": [], "results": [], "attempts": [], "purged": [], "answers": []}
        for _ in range(rng.randrange(4)):
            seq += 1
            row = new_row(seq, parents=tuple(rng.sample(list(alive), min(len(alive), rng.randrange(3)))))
            alive[row.spec.id] = seq
            parts["new"].append(row)
        for id_ in rng.sample(list(alive), min(len(alive), rng.randrange(4))):
            status = rng.choice(["pending", "claimed", "done", "failed"])
            text = rng.choice([None, "error"])
            parts["states"].append(
                state(alive[id_], status, claim=cycle, error=text, completed_at=AT + cycle)
            )
            if status == "done":
                parts["results"].append((id_, b"r%d" % cycle))
                parts["attempts"].append(Attempt(id_, cycle, 1, "w", AT, None, AT, "done", duration_s=0.5))
        if rng.random() < 0.2 and alive:
            id_ = rng.choice(list(alive))
            del alive[id_]
            parts["purged"].append(id_)
        parts["answers"].append(Answer(rng.choice(sessions), cycle, rng.randrange(cycle + 1), b"a"))
        yield Record(cycle, AT + cycle, seq + 1, cycle + 1, **parts)


@pytest.mark.parametrize("seed", range(5))
def test_how_records_are_grouped_makes_no_difference(seed):
    rng = random.Random(seed)
    history = list(random_history(rng, 60))
    one_by_one, grouped = (open_database(None, SystemClock(), no_probe) for _ in range(2))
    for item in history:
        one_by_one.apply([item])
    left = history
    while left:
        size = rng.randint(1, 20)
        grouped.apply(left[:size])
        left = left[size:] if rng.random() < 0.7 else left[max(0, size - 3) :]  # some are replayed
        left = [item for item in left if item.cycle > grouped.cycle - 3]
        if left and left[-1].cycle <= grouped.cycle:
            break
    assert _comparable(dump(one_by_one)) == _comparable(dump(grouped))
    assert one_by_one.snapshot().counts == grouped.snapshot().counts
    one_by_one.close()
    grouped.close()


def _comparable(held):
    # Of several results of one job only the last counts, which is what readers look at.
    return {name: found for name, found in held.items() if name != "job_results"}


def test_probe_is_told_after_the_commit():
    seen = []
    database = open_database(None, SystemClock(), seen.append)
    database.apply([record(1, new=[new_row(1)])])
    assert seen == ["duckdb.applied"]
    database.close()


def test_attempts_come_back_in_order(database):
    id_ = new_id()
    attempts = [
        Attempt(id_, 8, 2, "w2", None, None, AT + 9, "done", None, None, 1.5, 2**40, 0.25),
        Attempt(id_, 7, 1, "w1", AT, AT + 1, AT + 2, "failed", "error", "trace\nback"),
    ]
    database.apply([record(1, attempts=attempts)])
    found = database.read(ReadQuery("attempts", {"id": id_}, 1))
    assert [row["attempt"] for row in found] == [1, 2]
    assert found[0]["traceback"] == "trace\nback"
    assert found[1]["peak_rss_bytes"] == 2**40
    assert found[1]["claimed_at"] is None


@pytest.mark.parametrize("together", [True, False])
def test_a_later_word_on_an_attempt_replaces_its_text_alone(database, together):
    id_, other = new_ids(2)
    died = [Attempt(job, claim, 1, "w", AT, AT, AT, "died", "gone") for job, claim in ((id_, 3), (other, 4))]
    told = [Explanation(id_, 3, "killed by the OOM killer", 7 << 20)]
    records = [record(1, attempts=died), record(2, explained=told)]
    for batch in [records] if together else [[one] for one in records]:
        database.apply(batch)
    found = rows(database, "SELECT claim, outcome, error, peak_rss_bytes FROM job_attempts ORDER BY claim")
    assert [tuple(row) for row in found] == [
        (3, "died", "killed by the OOM killer", 7 << 20),
        (4, "died", "gone", None),
    ]
