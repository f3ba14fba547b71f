"""The client's own manners: light, patient, safe to use from threads and callbacks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from queuack_store import ids
from queuack_store.errors import (
    ClaimLostError,
    InvalidRequestError,
    StoreClosedError,
    WaitTimeoutError,
    from_wire,
)
from queuack_store.jobs import NewJob, Outcome
from queuack_store.requests import Cancel, Claim, Enqueue, Finish, GetJob, Heartbeat, Pause, Stats, Wait
from queuack_store.sharing import courier
from queuack_store.sharing.client import ClientStore
from queuack_store.sharing.server import Server

PATIENCE_S = 60.0
HEAVY = {"duckdb", "pyarrow", "numpy", "pandas", "asyncio", "subprocess", "multiprocessing", "cloudpickle"}


def _job(queue: str = "default") -> NewJob:
    return NewJob(ids.new_id(), "t", b"x", queue=queue)


@pytest.fixture
def store(path: str, server: Server) -> Any:
    made = ClientStore(path)
    yield made
    made.close()


def test_a_client_loads_nothing_heavy(path: str, server: Server) -> None:
    code = (
        "import sys; from queuack_store.sharing.client import ClientStore\n"
        "from queuack_store.requests import Stats\n"
        "store = ClientStore(sys.argv[1]); store.call(Stats()); store.close(); print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert HEAVY & set(run.stdout.split()) == set()


def test_one_thread_alone_starts_no_other(store: ClientStore) -> None:
    for _ in range(3):
        store.call(Enqueue([_job()]))
    assert store._courier._thread is None


def test_replies_are_typed(store: ClientStore) -> None:
    job = _job()
    assert store.call(GetJob(job.id)) is None
    store.call(Enqueue([job]))
    view = store.call(GetJob(job.id))
    assert (view.id, view.status) == (job.id, "pending")
    assert store.call(Pause("default")) is None
    assert store.call(Cancel(job.id)) is True
    with pytest.raises(InvalidRequestError):
        store.call(Enqueue([job]))
    with pytest.raises(InvalidRequestError, match="can't be sent"):
        store.submit(Claim([("\ud800", 1)]))


def test_a_wait_that_takes_too_long_is_withdrawn(store: ClientStore, path: str) -> None:
    other = ClientStore(path)
    with pytest.raises(WaitTimeoutError):
        store.call(Claim([("default", 1)], wait_s=PATIENCE_S), timeout=0.01)
    claim = store.submit(Claim([("default", 1)], wait_s=PATIENCE_S))
    assert claim.cancel()
    assert claim.cancel()
    store.call(Stats())
    other.call(Enqueue([_job()]))
    assert len(other.call(Claim([("default", 1)]))) == 1  # nobody else got it
    other.close()


def test_claims_nobody_awaits_any_more_are_handed_back(store: ClientStore, path: str) -> None:
    other = ClientStore(path)
    for _ in range(30):
        claim = store.submit(Claim([("default", 1)], wait_s=PATIENCE_S))
        job = _job()
        other.call(Enqueue([job]))
        gone = claim.cancel()
        holder = other if gone else store
        (held,) = other.call(Claim([("default", 1)], wait_s=PATIENCE_S)) if gone else claim.result(PATIENCE_S)
        assert held.id == job.id
        assert holder.call(Finish([Outcome(held.id, held.claim)])) == []
    other.close()


def test_many_threads_share_a_handle(store: ClientStore) -> None:
    made: list[bytes] = []

    def produce() -> None:
        for _ in range(50):
            job = _job()
            store.call(Enqueue([job]))
            made.append(job.id)

    threads = [threading.Thread(target=produce) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    jobs = store.call(Claim([("default", 1)], count=1_000, whole=True))
    assert {job.id for job in jobs} == set(made)
    assert len(made) == 400


def test_callbacks_may_ask(store: ClientStore) -> None:
    asked = threading.Event()
    found: list[Any] = []

    def again(_future: Any) -> None:
        found.append(store.call(Stats()))
        store.submit(Stats()).add_done_callback(lambda _: asked.set())

    store.submit(Enqueue([_job()])).add_done_callback(again)
    assert asked.wait(PATIENCE_S)
    assert found[0]["pending"] == 1


def test_an_interrupt_while_waiting_leaves_the_handle_whole(store: ClientStore, path: str) -> None:
    class Interrupted(Exception):
        """What the signal handler raises, as Ctrl-C does."""

    def raise_it(*_: Any) -> None:
        raise Interrupted

    other = ClientStore(path)
    before = signal.signal(signal.SIGUSR1, raise_it)
    try:
        for _ in range(20):
            timer = threading.Timer(0.005, os.kill, (os.getpid(), signal.SIGUSR1))
            with pytest.raises(Interrupted):  # noqa: PT012 - on a busy machine it comes while the timer starts
                timer.start()
                store.call(Claim([("default", 1)], wait_s=PATIENCE_S))
            timer.join()
            assert store.call(Stats())["claimed"] == 0
    finally:
        signal.signal(signal.SIGUSR1, before)
    other.call(Enqueue([_job()]))
    assert len(other.call(Claim([("default", 1)]))) == 1
    other.close()


def test_large_requests_from_threads_all_arrive(store: ClientStore) -> None:
    jobs = [NewJob(i, "t", bytes(8 << 20)) for i in ids.new_ids(12)]
    answers = [store.submit(Enqueue([job])) for job in jobs]
    for answer in answers:
        answer.result(PATIENCE_S)
    assert store.call(Stats())["pending"] == 12


def test_a_session_that_holds_claims_shows_that_it_lives(
    store: ClientStore, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "BEAT_S", 0.05)
    told: list[bytes] = []
    heard = threading.Event()
    store.on_cancelled = lambda doomed: (told.extend(doomed), heard.set())
    store.call(Enqueue([_job(), _job()]))
    first, second = store.call(Claim([("default", 1)], count=2, idle=2, whole=True, claim_timeout_s=0.5))
    other = ClientStore(path)
    assert other.call(Claim([("default", 1)], wait_s=1.0)) == []  # twice its claim_timeout, and not lost
    other.call(Cancel(first.id))
    assert heard.wait(PATIENCE_S)
    assert told[0] == first.id
    refused = store.call(Finish([Outcome(second.id, second.claim), Outcome(second.id, second.claim)]))
    assert [(at, type(from_wire(error))) for at, error in refused] == [(1, ClaimLostError)]
    other.close()


def test_a_beat_of_the_callers_own_is_enough(store: ClientStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "BEAT_S", 0.02)
    store.call(Enqueue([_job()]))
    (job,) = store.call(Claim([("default", 1)]))
    beat = store.submit(Heartbeat(wait_s=PATIENCE_S))
    store.call(Claim([("none", 1)], wait_s=0.3))
    assert not beat.done()
    store.call(Cancel(job.id))
    assert beat.result(PATIENCE_S) == [job.id]


def test_closing_ends_what_still_waits(path: str, server: Server) -> None:
    store = ClientStore(path)
    job = _job()
    stored = store.submit(Enqueue([job]))
    waits = [store.submit(Wait(job.id)), store.submit(Claim([("none", 1)], wait_s=PATIENCE_S))]
    store.close()
    assert stored.result(0).depth is None
    for waiting in waits:
        assert isinstance(waiting.exception(0), StoreClosedError)
    with pytest.raises(StoreClosedError):
        store.submit(Stats())
    store.close()


def test_closing_from_a_callback(path: str, server: Server) -> None:
    store = ClientStore(path)
    closed = threading.Event()
    store.submit(Stats()).add_done_callback(lambda _: (store.close(), closed.set()))
    assert closed.wait(PATIENCE_S)
    with pytest.raises(StoreClosedError):
        store.call(Stats())


def test_a_handle_whose_socket_the_program_has_closed_makes_another(store: ClientStore) -> None:
    link = store._courier._link
    assert link is not None
    for descriptor in (link._sock.fileno(), link._wake_out, link._wake_in):
        os.close(descriptor)
    assert store.call(Stats(), 10.0)
