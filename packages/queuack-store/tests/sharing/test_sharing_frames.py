"""Frames and messages: whole, in pieces, and hostile."""

from __future__ import annotations

import random

import msgspec
import pytest
from queuack_store.errors import BackpressureError, InvalidRequestError, ProtocolError
from queuack_store.jobs import NewJob, SessionInfo
from queuack_store.requests import Claim, Enqueue
from queuack_store.retry import DEFAULT_RETRY
from queuack_store.sharing import frames
from queuack_store.sharing.frames import Assembler

BIG = frames.MAX_FRAME_BYTES


def test_a_stream_cut_anywhere_gives_the_same_messages() -> None:
    bodies = [b"a", b"bb" * 50, b"c" * 300]
    stream = b"".join(b"".join(frames.frame(body)) for body in bodies)
    for cut in range(len(stream) + 1):
        assembler = Assembler()
        assert assembler.feed(stream[:cut]) + assembler.feed(stream[cut:]) == bodies
    one_by_one = Assembler()
    assert [m for byte in stream for m in one_by_one.feed(bytes([byte]))] == bodies


@pytest.mark.parametrize("size", [BIG - 1, BIG, BIG + 1, 2 * BIG, 2 * BIG + 7])
def test_a_large_message_travels_in_several_frames(size: int) -> None:
    body = random.Random(size).randbytes(size)
    pieces = frames.frame(body)
    assert len(pieces) // 2 == -(-size // BIG)
    assembler = Assembler()
    found = [m for piece in pieces for m in assembler.feed(piece)]
    assert found == [body]


@pytest.mark.parametrize("head", [0, BIG + 1, 1 << 31, (1 << 31) | 5, (1 << 32) - 1, 1 << 30])
def test_lengths_out_of_bounds_are_refused(head: int) -> None:
    with pytest.raises(ProtocolError, match="out of bounds"):
        Assembler().feed(head.to_bytes(4, "big"))


def test_a_message_over_its_limit_is_refused_before_it_is_held() -> None:
    assembler = Assembler(limit=2 * BIG)
    full = ((1 << 31) | BIG).to_bytes(4, "big") + bytes(BIG)
    assert assembler.feed(full) == []
    assert assembler.feed(full) == []
    with pytest.raises(ProtocolError, match="split"):
        assembler.feed(full[:4])


def test_a_job_brings_no_default_along() -> None:
    """Nine objects for each job that the owner holds, and a retry policy that is equal but not the same."""
    sent = Enqueue([NewJob(bytes(16), "app:send", b"payload", priority=60)])
    body = msgspec.msgpack.encode(sent)
    assert msgspec.msgpack.decode(body)[1] == [
        {"id": bytes(16), "task": "app:send", "payload": b"payload", "priority": 60}
    ]
    (job,) = msgspec.msgpack.decode(body, type=Enqueue).jobs
    assert job == sent.jobs[0]
    assert job.retry is DEFAULT_RETRY


def test_noise_is_refused_and_nothing_else_happens() -> None:
    noise = random.Random(7)
    decoder = frames.client_decoder()
    for _ in range(2_000):
        body = noise.randbytes(noise.randrange(1, 200))
        with pytest.raises((msgspec.MsgspecError, ValueError, RecursionError)):
            decoder.decode(body)


def test_every_message_comes_back_as_it_was() -> None:
    info = SessionInfo(bytes(16), 7, 8, "boot", "name")
    request = Claim([("q", 1)], wait_s=2.0)
    sent = [
        frames.Hello(1, 2, 3, info, [(bytes(16), 9)], True),
        frames.AskMessage(5, 4, request),
        frames.WithdrawMessage(5),
        frames.Ping(),
        frames.Bye(),
    ]
    decoder = frames.client_decoder()
    for message in sent:
        (body,) = Assembler().feed(frames.encode(message))
        assert decoder.decode(body) == message
    (body,) = Assembler().feed(frames.ask(5, 4, frames.encode_request(request)))
    assert decoder.decode(body) == sent[1]


def test_replies_and_errors_keep_their_facts() -> None:
    (body,) = Assembler().feed(b"".join(frames.reply(3, {"a": 1})))
    message = frames.read_owner(body)
    assert isinstance(message, frames.ReplyMessage)
    assert msgspec.msgpack.decode(message.value) == {"a": 1}
    error = BackpressureError("full", queue="q", depth=3, odd={1, 2} and object)
    (body,) = Assembler().feed(b"".join(frames.reply(3, error)))
    failure = frames.read_owner(body)
    assert isinstance(failure, frames.Failure)
    again = failure.error()
    assert isinstance(again, BackpressureError)
    assert (again.message, again.facts["queue"], again.facts["depth"]) == ("full", "q", 3)


def test_what_can_not_be_sent_is_an_error_of_that_request_alone() -> None:
    with pytest.raises(InvalidRequestError, match="split"):
        frames.encode_request(Enqueue([NewJob(bytes(16), "t", bytes(frames.MAX_MESSAGE_BYTES))]))
    with pytest.raises(InvalidRequestError, match="can't be sent"):
        frames.encode_request(Claim([("\ud800", 1)]))
    (body,) = Assembler().feed(b"".join(frames.reply(1, "x" * (frames.MAX_MESSAGE_BYTES + 1))))
    failure = frames.read_owner(body)
    assert isinstance(failure, frames.Failure)
    assert failure.name == "InvalidRequestError"


def test_nonsense_from_an_owner_is_named() -> None:
    with pytest.raises(ProtocolError, match="upgrade"):
        frames.read_owner(b"\x91\xa5hullo")
