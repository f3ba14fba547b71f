"""What the engine does about silent sessions when the rows that it needs for it can't be read."""

from __future__ import annotations

from queuack_store.engine.handlers.sessions import RECONNECT_S
from queuack_store.engine.inbox import OpenSession
from queuack_store.engine.lookup import Loaded
from queuack_store.engine.reads import ReadJobs
from queuack_store.engine.refill import REST_S
from queuack_store.errors import StorageError
from queuack_store.jobs import NewJob, SessionInfo
from queuack_store.requests import Claim, Enqueue, Finish
from queuack_store.states import FAILED, SKIPPED
from queuack_store.testing.bench import NOBODY, Bench
from queuack_store.testing.deeds import DatedAsk

PARENT, CHILD = b"p" * 16, b"c" * 16


def test_the_claims_of_a_dead_session_wait_for_rows_that_fail_without_asking_at_once_again() -> None:
    bench = Bench()
    parent = NewJob(PARENT, "t:f", b"", max_attempts=1)
    wishes = [
        OpenSession(SessionInfo(b"s" * 16, pid=1)),
        Enqueue([parent, NewJob(CHILD, "t:f", b"", parents=(PARENT,))]),
        Claim([("default", 1)]),
        Finish(started=[(PARENT, 1)]),
    ]
    for seq, wish in enumerate(wishes, 1):
        bench.cycle([DatedAsk(b"s" * 16, wish, NOBODY, seq, seq)])
        bench.settle()
    bench.restart()  # the child is on disk, its parent's session may come back
    bench.now += RECONNECT_S
    bench.cycle()
    for _ in range(3):
        ((token, read),) = (asked for asked in bench.reads if isinstance(asked[1], ReadJobs))
        bench.reads.remove((token, read))
        bench.inbox.append(Loaded(token, StorageError("the disk can't be read")))
        bench.cycle()
        bench.now += REST_S / 2
        bench.cycle()
        assert not [asked for asked in bench.reads if isinstance(asked[1], ReadJobs)]
        bench.now += REST_S / 2
        bench.cycle()
    bench.settle()
    assert (bench.rows.status(PARENT), bench.rows.status(CHILD)) == (FAILED, SKIPPED)
