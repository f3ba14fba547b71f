"""A pool of real child processes whose supervisor is a thread of the test."""

from __future__ import annotations

import os
import select
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from queuack_store import DuckQueue
from queuack_worker.events import Event, Events
from queuack_worker.settings import Settings
from queuack_worker.supervisor import Supervisor

PATIENCE_S = 60.0


class RunningPool:
    """A supervisor in a thread, and the events it told."""

    def __init__(self, queue: DuckQueue, processes: int, limits: Any = None, **settings: Any) -> None:
        events = Events()
        events.subscribe(self._note)
        self.events: list[Event] = []
        self._changed = threading.Condition()
        settings.setdefault("queues", (("default", 50),))
        self.supervisor = Supervisor(
            queue, Settings(worker_id="pool", **settings), processes, list(sys.path), events, limits
        )
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.supervisor.run()
        except BaseException as error:
            self.error = error

    def _note(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait_for(self, name: str, count: int = 1) -> list[Event]:
        """Wait until the event was told `count` times."""

        def found() -> list[Event]:
            return [event for event in self.events if event.name == name]

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= count, PATIENCE_S), self.events
            return found()

    def stop(self) -> None:
        """Drain, and wait for the end."""
        self.supervisor.drain()
        self.join()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), self.events


def alive(pid: int) -> bool:
    """Return whether the process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        if sys.platform == "linux":
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pid: int) -> bool:
    """Wait for the end of a process that is not ours; return whether it came."""
    if hasattr(os, "pidfd_open"):
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return True
        select.select([fd], [], [], PATIENCE_S)
        os.close(fd)
    return not alive(pid)


def small_cgroup(limit: int) -> Path:
    """Make a control group whose processes may take `limit` bytes; skip the test where that can't be."""
    for hierarchy, name in (("memory", "memory.limit_in_bytes"), ("", "memory.max")):
        root = Path("/sys/fs/cgroup") / hierarchy
        cgroup = root / f"queuack-test-{os.getpid()}"
        try:
            cgroup.mkdir()
        except OSError:
            continue
        try:
            (cgroup / name).write_text(str(limit))
            (cgroup / "cgroup.procs").read_text()
            return cgroup
        except OSError:
            cgroup.rmdir()
    pytest.skip("no control group with a memory limit can be made here")
