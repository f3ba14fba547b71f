"""A server of a real engine against clients that behave badly, through bare sockets."""

from __future__ import annotations

import os
import random
import select
import shutil
import socket
from typing import Any

import pytest
from queuack_store import ids
from queuack_store.jobs import NewJob, SessionInfo
from queuack_store.requests import Claim, Enqueue, Stats
from queuack_store.sharing import connection as connections
from queuack_store.sharing import frames
from queuack_store.sharing import server as servers
from queuack_store.sharing.client import ClientStore
from queuack_store.sharing.server import Server

PATIENCE_S = 60.0


def test_a_session_from_hello_to_bye(bare: Any) -> None:
    one = bare()
    one.send(frames.ask(1, 1, frames.encode_request(Enqueue([NewJob(ids.new_id(), "t", b"x")]))))
    assert one.hear().seq == 1
    one.say("ping")
    assert one.hear() == frames.Pong()
    one.say("bye")
    assert one.hear() == frames.Gone(False)
    assert one.is_closed()


def test_what_was_asked_before_the_goodbye_is_answered_before_it(
    bare: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, real = bare(), Server.soon

    def at_once(server: Server, function: Any, *args: Any) -> None:  # as if the server's thread won each race
        if function == server.part:
            function(*args)
        else:
            real(server, function, *args)

    monkeypatch.setattr(Server, "soon", at_once)
    asked = frames.ask(1, 1, frames.encode_request(Enqueue([NewJob(ids.new_id(), "t", b"x")])))
    one.send(asked + frames.encode(frames.Bye()))
    assert one.hear().seq == 1
    assert one.hear() == frames.Gone(False)


def test_another_version_is_named_on_both_sides(bare: Any, path: str, helpers: Any) -> None:
    with helpers.bystander(path):
        for body in (("hello", 99), ("hello", 0, {"of": "another shape"}), ("hello", 2, 1, 2, [], [], False)):
            one = bare(greeted=False)
            one.say(*body)
            failure = one.refused()
            assert failure.name == "ProtocolError"
            assert f"version {frames.PROTOCOL}" in failure.text
            assert f"version {body[1]}" in failure.text


def test_another_file_is_named_on_both_sides(bare: Any) -> None:
    one = bare(greeted=False)
    one.hello(inode=12_345)
    failure = one.refused()
    assert failure.name == "FileReplacedError"
    assert "12345" in failure.text
    assert str(one.server.identity[1]) in failure.text


@pytest.mark.parametrize(
    "first",
    [("ping",), ("ask", 1, 1, ["stats"]), ("bye",), ("welcome", 1, 2), ("hello",), ("hello", 1), (), (7,)],
)
def test_the_first_message_must_be_a_hello(bare: Any, first: tuple[Any, ...]) -> None:
    one = bare(greeted=False)
    one.say(*first)
    assert one.refused().name == "ProtocolError"


@pytest.mark.parametrize(
    "message",
    [
        ("hello", 1, 0, 0, [bytes(16)]),
        ("ask", 0, 0, ["stats"]),
        ("ask", -1, 1, ["stats"]),
        ("ask", 1 << 63, 1, ["stats"]),
        ("ask", 1, 1, ["no_such_request"]),
        ("ask", 1, 1, ["stats", 5]),
        ("ask", 1, 1),
        ("gone", True),
        {"ask": 1},
    ],
)
def test_a_message_that_makes_no_sense_ends_the_connection(
    bare: Any, path: str, message: Any, helpers: Any
) -> None:
    with helpers.bystander(path):
        one = bare()
        one.send(b"".join(frames.frame(frames._encoder.encode(message))))
        assert one.refused().name == "ProtocolError"


def test_nothing_comes_after_bye(bare: Any) -> None:
    one = bare()
    one.send(frames.encode(frames.Bye()) + frames.encode(frames.Ping()))
    assert one.refused().name == "ProtocolError"


def test_a_request_deeper_than_the_stack_is_refused(bare: Any) -> None:
    one = bare()
    deep = b"\x91" * 100_000 + b"\xc0"
    one.send(b"".join(frames.frame(b"\x94\xa3ask\x01\x01\x93\xa3sql\xa1x" + deep)))
    assert one.refused().name == "ProtocolError"


def _bad_frames(count: int, server: Server, path: str, helpers: Any) -> None:
    """Throw noise, cut-off messages, absurd lengths and mutated requests at the server."""
    noise = random.Random(count)
    good = frames.ask(1, 1, frames.encode_request(Claim([("default", 1)], 3, 1, 0.0, "w")))
    with helpers.bystander(path) as watcher:
        for number in range(count):
            one = helpers.Bare(server)
            one.hello()
            kind = number % 5
            if kind == 0:
                data = noise.randbytes(noise.randrange(1, 400))
            elif kind == 1:
                data = noise.choice([0, 1 << 31, (1 << 32) - 1, 1 << 23]).to_bytes(4, "big") + bytes(8)
            elif kind == 2:
                data = good[: noise.randrange(1, len(good))]
            elif kind == 3:
                data = bytearray(good)
                data[noise.randrange(4, len(good))] ^= 1 << noise.randrange(8)
            else:
                data = b"".join(frames.frame(noise.randbytes(noise.randrange(1, 100))))
            try:
                one.send(bytes(data))
            except OSError:
                pass
            one.close()
            if number % 500 == 0:
                watcher.call(Stats(), PATIENCE_S)


def test_bad_frames_harm_nobody(server: Server, path: str, helpers: Any) -> None:
    _bad_frames(2_000, server, path, helpers)
    assert len(server.notes) <= 101 + 2_000 // 1_000


@pytest.mark.prove
def test_very_many_bad_frames_harm_nobody(server: Server, path: str, helpers: Any) -> None:
    before = _resident()
    _bad_frames(100_000, server, path, helpers)
    assert _resident() - before < 50 << 20


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_noise_after_the_greeting_ends_each_connection(server: Server, path: str, helpers: Any) -> None:
    noise = random.Random(3)
    with helpers.bystander(path):
        for _ in range(200):
            one = helpers.Bare(server)
            one.hello()
            assert isinstance(one.hear(), frames.Welcome)
            one.send((60).to_bytes(4, "big") + b"\xc1" + noise.randbytes(59))
            assert one.refused().name == "ProtocolError"
            one.close()


def test_who_says_no_hello_is_dropped(path: str, server: Server, helpers: Any) -> None:
    server.lobby._greeting_s = 0.05
    with helpers.bystander(path):
        silent = [helpers.Bare(server) for _ in range(20)]
        for one in silent:
            assert one.is_closed()
            one.close()


def test_a_message_that_comes_byte_by_byte_holds_up_nobody(bare: Any, path: str, helpers: Any) -> None:
    slow = bare()
    message = frames.ask(1, 1, frames.encode_request(Stats()))
    with helpers.bystander(path) as other:
        for byte in message:
            slow.send(bytes([byte]))
            other.call(Stats())
    assert slow.hear().seq == 1


def test_half_open_clients_hold_up_nobody(bare: Any, path: str, helpers: Any) -> None:
    head = (frames.MAX_FRAME_BYTES | 1 << 31).to_bytes(4, "big")
    half = [bare() for _ in range(100)]
    for one in half:
        one.send(head + bytes(1_000))
    with helpers.bystander(path):
        for one in half:
            one.close()


def test_who_does_not_read_is_dropped(
    bare: Any, path: str, monkeypatch: pytest.MonkeyPatch, helpers: Any
) -> None:
    monkeypatch.setattr(connections, "MAX_UNSENT_BYTES", 1 << 20)
    monkeypatch.setattr(connections, "PAUSE_UNSENT_BYTES", 8 << 20)
    deaf = bare()
    with helpers.bystander(path):
        try:
            while select.select([], [deaf.sock], [], PATIENCE_S)[1]:
                deaf.sock.send(frames.encode(frames.Ping()) * 100)
        except OSError:
            pass  # the connection was ended
        else:
            raise AssertionError("it was never dropped")


def test_who_reads_late_gets_everything(
    bare: Any, path: str, monkeypatch: pytest.MonkeyPatch, helpers: Any
) -> None:
    monkeypatch.setattr(connections, "PAUSE_UNSENT_BYTES", 100_000)
    late = bare()
    number = 0
    late.sock.setblocking(False)
    try:
        while True:
            number += 1
            late.sock.send(frames.ask(number, number, frames.encode_request(Stats())))
    except BlockingIOError:
        number -= 1
    late.sock.settimeout(PATIENCE_S)
    with helpers.bystander(path):
        assert [late.hear().seq for _ in range(number)] == list(range(1, number + 1))


def test_too_many_open_requests_are_refused_one_by_one(bare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_INFLIGHT", 3)
    one = bare()
    for number in range(1, 6):
        one.send(frames.ask(number, 1, frames.encode_request(Claim([("none", 1)], wait_s=60.0))))
    refused = [one.hear(), one.hear()]
    assert [(f.seq, f.name) for f in refused] == [(4, "OwnerError"), (5, "OwnerError")]
    one.say("withdraw", 1)
    one.send(frames.ask(6, 2, frames.encode_request(Stats())))
    assert one.hear().seq == 6


def test_a_session_that_comes_back_replaces_its_older_connection(bare: Any, path: str, helpers: Any) -> None:
    session = os.urandom(16)
    first, second = bare(greeted=False), bare(greeted=False)
    first.hello(session)
    assert isinstance(first.hear(), frames.Welcome)
    second.hello(session, back=True)
    assert isinstance(second.hear(), frames.Welcome)
    assert first.is_closed()
    with helpers.bystander(path):
        second.send(frames.ask(1, 1, frames.encode_request(Stats())))
        assert second.hear().seq == 1


def test_a_request_in_many_frames_is_one_request(path: str, server: Server) -> None:
    store = ClientStore(path)
    jobs = [NewJob(i, "t", os.urandom(3 << 20)) for i in ids.new_ids(5)]
    store.call(Enqueue(jobs))
    found = store.call(Claim([("default", 1)], count=5, whole=True))
    assert [job.payload for job in found] == [job.payload for job in jobs]
    store.close()


def test_a_dead_process_is_noticed_although_a_child_holds_its_socket(
    clients: Any, server: Server, path: str
) -> None:
    client = clients()
    store = ClientStore(path)
    client.do("enqueue 1")
    assert len(client.do("claim 1")) == 1
    child = client.do("leave_a_child")
    waiting = store.submit(Claim([("default", 1)], wait_s=PATIENCE_S))
    client.process.kill()
    assert len(waiting.result(PATIENCE_S)) == 1
    os.kill(child, 9)
    store.close()


def _storm(count: int, server: Server, path: str, helpers: Any) -> None:
    with helpers.bystander(path):
        storm = []
        for _ in range(count):
            one = helpers.Bare(server)
            one.hello(info=SessionInfo(os.urandom(16), os.getpid()))
            storm.append(one)
        for one in storm:
            assert isinstance(one.hear(), frames.Welcome)
        for one in storm:
            one.close()


def test_a_storm_of_connections(server: Server, path: str, helpers: Any) -> None:
    _storm(50, server, path, helpers)


@pytest.mark.prove
def test_a_large_storm_of_connections(server: Server, path: str, helpers: Any) -> None:
    for _ in range(4):
        _storm(500, server, path, helpers)


def test_a_server_without_descriptors_waits_for_some(
    server: Server, path: str, monkeypatch: pytest.MonkeyPatch, helpers: Any
) -> None:
    class Poor:
        """A listener that has run out of descriptors once."""

        def __init__(self, real: socket.socket) -> None:
            self.real, self.failed = real, False

        def accept(self) -> Any:
            if not self.failed:
                self.failed = True
                raise OSError(24, "Too many open files")
            return self.real.accept()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

    poor = Poor(server.lobby._listener)
    monkeypatch.setattr(server.lobby, "_listener", poor)
    with helpers.bystander(path):
        assert poor.failed


def test_a_deleted_socket_is_made_again(server: Server, path: str) -> None:
    store = ClientStore(path)
    os.unlink(server.address)
    server._checked_at = float("-inf")
    store.call(Stats())
    server.soon(lambda: None)
    store.call(Stats())
    other = ClientStore(path)
    other.call(Stats())
    other.close()
    store.close()


@pytest.mark.parametrize("how", ["deleted", "renamed", "replaced", "folder", "lock"])
def test_a_server_looks_after_its_place(
    server: Server, path: str, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    folder = os.path.dirname(path)
    if how == "replaced":
        shutil.copy(path + ".lock", path + ".new")
        os.replace(path + ".new", path)
    elif how == "folder":
        shutil.move(folder, folder + ".elsewhere")
    elif how == "renamed":
        os.rename(path, path + ".elsewhere")
    else:
        os.unlink(path if how == "deleted" else path + ".lock")
    monkeypatch.setattr(servers, "CHECK_S", 0.0)
    server.soon(lambda: None)
    assert server.wants_to_leave.wait(PATIENCE_S)
    assert server.engine.ended.wait(PATIENCE_S)
    said = "lock was deleted or replaced" if how == "lock" else "jobs.db was deleted or replaced"
    assert said in server.notes[-1]


def test_an_inline_server_stays_and_goes_with_its_process(server: Server, path: str) -> None:
    for _ in range(2):
        store = ClientStore(path)
        store.call(Stats())
        store.close()
    assert not server.leaving
    server.close()
    assert not os.path.exists(server.address)
    assert sorted(os.listdir(os.path.dirname(path))) == ["jobs.db", "jobs.db.lock"]
