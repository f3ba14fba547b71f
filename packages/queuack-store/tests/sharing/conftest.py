"""Files to share, client processes to share them with, and a look at the owner."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from queuack_store import ids
from queuack_store.jobs import NewJob
from queuack_store.opening import open_engine
from queuack_store.requests import Enqueue, Stats
from queuack_store.sharing import frames, ownership, peers
from queuack_store.sharing.client import ClientStore
from queuack_store.sharing.places import Place
from queuack_store.sharing.server import Server

PATIENCE_S = 60.0  # for signals that must come; never a measure


class RemoteError(Exception):
    """An error that a client process met."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(f"{answer['error']}: {answer['text']}")
        self.name, self.text, self.facts = answer["error"], answer["text"], answer["facts"]


class Client:
    """A client process that does as it is told."""

    def __init__(self, path: str, python: tuple[str, ...] = (sys.executable,), **popen: Any) -> None:
        command = [*python, str(Path(__file__).with_name("actor.py")), path]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **popen
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def tell(self, command: str) -> None:
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_S)
        assert ready, "no answer from the client process"
        line = self.process.stdout.readline()
        assert line, "the client process ended"
        answer = json.loads(line)
        if "error" in answer:
            raise RemoteError(answer)
        return answer["ok"]

    def do(self, command: str) -> Any:
        self.tell(command)
        return self.hear()

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait(PATIENCE_S)
        self.process.stdout.close()


@pytest.fixture
def path(tmp_path: Path) -> Iterator[str]:
    """The path of a file that is not there yet; its owner is gone when the test has ended."""
    found = str(tmp_path / "jobs.db")
    yield found
    announced = Place(found).announced()
    if announced is not None and announced[0] != os.getpid():
        try:
            os.kill(announced[0], signal.SIGCONT)
            os.kill(announced[0], signal.SIGKILL)
        except ProcessLookupError:
            pass


@pytest.fixture
def clients(path: str) -> Iterator[Callable[..., Client]]:
    """Makes client processes of the file; they are ended with the test."""
    made: list[Client] = []

    def make(count: int = 1, *, opened: bool = True, **kwargs: Any) -> Any:
        new = [Client(path, **kwargs) for _ in range(count)]
        made.extend(new)
        for client in new:
            client.hear()
        if opened:
            for client in new:
                client.tell("open")
            for client in new:
                client.hear()
        return new[0] if count == 1 else new

    yield make
    for client in made:
        if client.process.poll() is None:
            client.process.send_signal(signal.SIGCONT)
            client.kill()


def owner_of(path: str) -> int:
    """Return the pid of the file's owner."""
    announced = Place(path).announced()
    assert announced is not None, "the file has no owner"
    return announced[0]


def wait_gone(pid: int) -> None:
    """Wait until a process has ended."""
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([watch], [], [], PATIENCE_S)[0], f"process {pid} has not ended"
    finally:
        os.close(watch)


def stop(pid: int) -> None:
    """Stop a process, and return when each of its threads has stopped."""
    os.kill(pid, signal.SIGSTOP)
    for task in os.listdir(f"/proc/{pid}/task"):
        while True:
            with open(f"/proc/{pid}/task/{task}/stat") as file:
                if file.read().rpartition(") ")[2][0] == "T":
                    break
            os.sched_yield()


class Bare:
    """A client without manners."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(server.address)
        self.assembler = frames.Assembler()
        self.arrived: list[Any] = []

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def say(self, *body: Any) -> None:
        self.send(b"".join(frames.frame(frames._encoder.encode(body))))

    def hello(self, session: bytes | None = None, **changes: Any) -> None:
        device, inode = self.server.identity or (0, 0)
        info = peers.this_session(session or os.urandom(16))
        values = {"protocol": frames.PROTOCOL, "device": device, "inode": inode, "info": info} | changes
        self.send(frames.encode(frames.Hello(**values)))

    def hear(self) -> Any:
        while not self.arrived:
            data = self.sock.recv(65_536)
            if not data:
                return None
            self.arrived += [frames.read_owner(body) for body in self.assembler.feed(data)]
        return self.arrived.pop(0)

    def refused(self) -> frames.Failure:
        """Return the error that the server closes the connection with."""
        failure = self.hear()
        assert isinstance(failure, frames.Failure), failure
        assert failure.seq == 0
        assert self.is_closed()
        return failure

    def is_closed(self) -> bool:
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.sock.close()


@pytest.fixture
def bare(server: Server) -> Iterator[Any]:
    made: list[Bare] = []

    def make(greeted: bool = True) -> Bare:
        made.append(Bare(server))
        if greeted:
            made[-1].hello()
            assert isinstance(made[-1].hear(), frames.Welcome)
        return made[-1]

    yield make
    for one in made:
        one.close()


@contextmanager
def bystander(path: str) -> Iterator[ClientStore]:
    """Another client, which must notice nothing."""
    store = ClientStore(path)
    try:
        yield store
        before = store.call(Stats("bystander"))["pending"]
        store.call(Enqueue([NewJob(ids.new_id(), "t", b"", queue="bystander")]))
        assert store.call(Stats("bystander"))["pending"] == before + 1
    finally:
        store.close()


@pytest.fixture
def helpers() -> Any:
    """The functions above, for test modules (which can't import a conftest)."""

    class Helpers:
        owner_of = staticmethod(owner_of)
        wait_gone = staticmethod(wait_gone)
        stop = staticmethod(stop)
        bystander = staticmethod(bystander)
        RemoteError = RemoteError
        PATIENCE_S = PATIENCE_S

    Helpers.Bare = Bare  # type: ignore[attr-defined]
    return Helpers


@pytest.fixture
def server(path: str) -> Iterator[Server]:
    """A server of a real engine in this process."""
    lock = ownership.take(Place(path))
    assert lock is not None
    notes: list[str] = []
    made = Server(open_engine(path), lock, stays=True, note=notes.append)
    made.notes = notes  # type: ignore[attr-defined]
    yield made
    made.close()
