"""A client process for the tests: reads one command a line, answers with one line of JSON.

Not a test module. Run as `python actor.py FILE`; the first line it writes says that it is there.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from typing import Any

from queuack_store import ids
from queuack_store.errors import to_wire
from queuack_store.jobs import NewJob, Outcome
from queuack_store.requests import Claim, Enqueue, Finish, Stats
from queuack_store.sharing.client import ClientStore


class Actor:
    """One handle, and what it holds."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.store: ClientStore | None = None
        self.held: list[Any] = []

    def open(self, timeout: str = "30") -> Any:
        self.store = ClientStore(self.path, timeout_seconds=float(timeout))
        return os.getpid()

    def enqueue(self, count: str) -> Any:
        made = []
        for job_id in ids.new_ids(int(count)):
            self.store.call(Enqueue([NewJob(job_id, "tests:noop", b"")]))
            made.append(job_id.hex())
        return made

    def claim(self, count: str, started: str = "0", timeout: str = "300") -> Any:
        asked = Claim([("default", 1)], int(count), int(started), whole=True, claim_timeout_s=float(timeout))
        jobs = self.store.call(asked)
        self.held += jobs
        return [job.id.hex() for job in jobs]

    def finish(self) -> Any:
        outcomes = [Outcome(job.id, job.claim, result=b"r") for job in self.held]
        self.held = []
        return [error[0] for _, error in self.store.call(Finish(outcomes))]

    def stats(self) -> Any:
        return self.store.call(Stats())

    def call(self, timeout: str) -> Any:
        return self.store.call(Stats(), float(timeout))

    def close(self) -> Any:
        self.store.close()

    def modules(self) -> Any:
        return sorted(name for name in sys.modules if "." not in name)

    def touch(self) -> Any:
        """Open and close the database file, which drops every POSIX lock this process has on it."""
        with open(self.path, "rb"):
            pass

    def fork(self, how: str) -> Any:
        """Fork, let the child do something, and return its exit status."""
        child = os.fork()
        if child == 0:
            self._in_child(how)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def leave_a_child(self) -> Any:
        """Fork a child that keeps copies of every descriptor, as one without the hook would, and lives on."""
        spare = [os.dup(fd) for fd in map(int, os.listdir("/proc/self/fd")) if fd > 2 and _is_socket(fd)]
        child = os.fork()
        if child == 0:
            os.closerange(0, 3)
            os.read(_never(), 1)
        for descriptor in spare:
            os.close(descriptor)
        return child

    def _in_child(self, how: str) -> None:
        if how == "exit":
            sys.exit(0)
        if how == "collect":
            self.store = None
            gc.collect()
        elif how == "close":
            self.store.close()
        elif how == "use":
            self.enqueue("3")
            assert self.store.session != b""
        elif how == "use_and_close":
            self.enqueue("3")
            self.store.close()
        os._exit(0)


def _is_socket(descriptor: int) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:")
    except OSError:
        return False


def _never() -> int:
    out, _keep = os.pipe()
    return out


def main() -> None:
    actor = Actor(sys.argv[1])
    print(json.dumps({"ok": "here"}), flush=True)
    for line in sys.stdin:
        name, *args = line.split()
        try:
            answer: dict[str, Any] = {"ok": getattr(actor, name)(*args)}
        except SystemExit:
            raise
        except Exception as error:
            kind, text, facts = to_wire(error)
            answer = {"error": kind, "text": text, "facts": facts}
        print(json.dumps(answer, default=repr), flush=True)


if __name__ == "__main__":
    main()
