"""Forks, inherited descriptors, and the database file opened by a client: the owner must not care."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import Any

import pytest
from queuack_store import ids
from queuack_store.jobs import NewJob, Outcome
from queuack_store.requests import Claim, Enqueue, Finish, Stats
from queuack_store.sharing.client import ClientStore


@pytest.mark.parametrize("how", ["exit", "collect", "close", "use", "use_and_close", "vanish"])
def test_a_forked_child_harms_nothing(clients: Any, how: str) -> None:
    client = clients()
    client.do("enqueue 5")
    assert len(client.do("claim 2 2")) == 2
    assert client.do(f"fork {how}") == 0
    assert client.do("finish") == []  # the claims are still the parent's
    client.do("enqueue 1")
    counts = client.do("stats")
    assert counts["done"] == 2
    assert counts["pending"] == 4 + (3 if how.startswith("use") else 0)


def _child(store: ClientStore, path: str, answers: Any) -> None:
    session = store.session
    store.call(Enqueue([NewJob(ids.new_id(), "child", b"")]))
    (job,) = store.call(Claim([("default", 1)]))
    answers.put((session, job.id))
    answers.close()
    answers.join_thread()


def test_a_multiprocessing_child_is_a_session_of_its_own(path: str, helpers: Any) -> None:
    store = ClientStore(path)
    store.call(Enqueue([NewJob(ids.new_id(), "t", b"")]))
    (mine,) = store.call(Claim([("default", 1)]))
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_child, args=(store, path, answers))
    child.start()
    session, job = answers.get(timeout=helpers.PATIENCE_S)
    child.join(helpers.PATIENCE_S)
    assert child.exitcode == 0
    assert session != store.session
    # The child is dead: what it claimed is free again, and ours is still ours.
    (again,) = store.call(Claim([("default", 1)], wait_s=helpers.PATIENCE_S))
    assert again.id == job
    assert store.call(Finish([Outcome(j.id, j.claim) for j in (mine, again)])) == []
    store.close()


def test_opening_the_file_in_a_client_drops_no_lock_of_the_owner(
    clients: Any, path: str, helpers: Any
) -> None:
    one, two = clients(2)
    made = one.do("enqueue 10")
    owner = helpers.owner_of(path)
    for client in (one, two):
        client.do("touch")
    made += two.do("enqueue 10")
    os.kill(owner, signal.SIGKILL)
    made += one.do("enqueue 1")
    assert sorted(two.do("claim 100")) == sorted(made)


@pytest.mark.parametrize("victim", ["killed", "closed"])
def test_what_a_client_held_is_free_at_once(clients: Any, path: str, victim: str, helpers: Any) -> None:
    client = clients()
    store = ClientStore(path)
    made = client.do("enqueue 3")
    assert client.do("claim 3") == made
    waiting = store.submit(Claim([("default", 1)], count=3, whole=True, wait_s=helpers.PATIENCE_S))
    if victim == "killed":
        client.process.kill()
    else:
        client.do("close")
    assert [job.id.hex() for job in waiting.result(helpers.PATIENCE_S)] == made
    store.close()


def test_a_stopped_client_loses_its_claims_and_hears_of_it(clients: Any, path: str, helpers: Any) -> None:
    client = clients()
    store = ClientStore(path)
    client.do("enqueue 1")
    client.do("claim 1 1 0.5")
    client.process.send_signal(signal.SIGSTOP)
    (job,) = store.call(Claim([("default", 1)], wait_s=helpers.PATIENCE_S))
    client.process.send_signal(signal.SIGCONT)
    assert client.do("finish") == ["ClaimLostError"]
    assert store.call(Finish([Outcome(job.id, job.claim)])) == []
    assert store.call(Stats())["done"] == 1
    store.close()


def test_an_inline_server_lets_go_in_a_child(server: Any, path: str, clients: Any) -> None:
    (out, into), (here, there) = os.pipe(), os.pipe()
    client = clients()
    child = os.fork()
    if child == 0:
        os.close(into)
        held = [fd for fd in os.listdir("/proc/self/fd") if _is_socket(fd)]
        os.write(there, repr(held).encode())
        os.read(out, 1)
        os._exit(0)
    assert os.read(here, 1000) == b"[]"
    client.do("enqueue 1")
    for descriptor in (out, into, here, there):
        os.close(descriptor)
    os.waitpid(child, 0)
    assert client.do("stats")["pending"] == 1


def _is_socket(descriptor: str) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:")
    except OSError:
        return False
