"""A pool of real child processes whose supervisor is a thread of the test."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
        return _state(Path(f"/proc/{pid}")) != "Z"
    except FileNotFoundError:
        if sys.platform == "linux":
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def stop(pid: int) -> None:
    """Send SIGSTOP, and wait until no thread of the process runs any more: that comes a moment later."""
    os.kill(pid, signal.SIGSTOP)
    if sys.platform == "linux":
        while not _stands_still(pid):
            time.sleep(0.001)


def _stands_still(pid: int) -> bool:
    try:
        return all(_state(task) == "T" for task in Path(f"/proc/{pid}/task").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return False  # a thread has just ended


def _state(process: Path) -> str:
    return (process / "stat").read_text().rsplit(")", 1)[1].split()[0]


@contextmanager
def some_load() -> Iterator[None]:
    """Keep a core busy, from when the kernel counts a load; skip the test where it never does."""
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        deadline = time.monotonic() + PATIENCE_S
        while os.getloadavg()[0] == 0.0:
            if time.monotonic() > deadline:
                pytest.skip("this kernel counts no load")
            time.sleep(0.05)
        yield
    finally:
        busy.kill()
        busy.wait()


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
