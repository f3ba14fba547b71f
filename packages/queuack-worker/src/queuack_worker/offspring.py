"""One child of the pool as its supervisor sees it: starting it, its board, its death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from queuack_store.clock import monotonic

from queuack_worker.blame import suspects
from queuack_worker.board import HEAD_BYTES, ROW_BYTES, Board, Running
from queuack_worker.control import Setup, channel_pair
from queuack_worker.deaths import Death, OomKills, collect, kill_group
from queuack_worker.sight import ChildView

if TYPE_CHECKING:
    from collections.abc import Callable

    from queuack_worker.settings import Settings

BACKSTOP_S = 2.0  # a child stops a job that won't by itself; its supervisor only where it can't
MUTE_S = 2.5  # a child that gave no sign of life for so long can't hear of cancels either


class Offspring:
    """A running child process.

    Attributes:
        number: its place in the pool, from 1. ready: it claims jobs. leaving: it was told to end.
    """

    def __init__(self, number: int, setup: Setup) -> None:
        self.number = number
        self.ready = False
        self.leaving = False
        self.reason: str | None = None  # why we killed it
        self._settings: Settings = setup.settings
        limit = setup.settings.memory_limit
        self._memory_limit = None if limit is None else limit * setup.settings.concurrency
        self._cancelled_at: float | None = None  # when a job in it was seen to be, while it was silent
        self.outgrown: dict[str, Any] | None = None  # it is to be recycled, but its predecessor still drains
        rows = setup.settings.concurrency + setup.settings.async_concurrency
        board_fd = _shared_memory(HEAD_BYTES + rows * ROW_BYTES)
        self.channel, theirs = channel_pair()
        try:
            self.board = Board(board_fd, rows)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "queuack_worker.child", str(theirs.fileno()), str(board_fd)],
                pass_fds=(theirs.fileno(), board_fd),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            theirs.close()
            os.close(board_fd)
        self.pid = self._process.pid
        self.channel.send("setup", setup=setup)
        self.pidfd = _pidfd(self.pid)

    def poll(self, kills: OomKills) -> Death | None:
        """Return how it died, or None while it lives."""
        death = collect(self.pid, kills, self.reason, self._memory_limit)
        if death is not None:
            # Popen must not wait for a pid that may be somebody else's by then.
            self._process.returncode = -(death.signal or 0) or death.code or 0
        return death

    def view(self) -> ChildView:
        """Return how it stands; from any thread."""
        try:
            running = len(self.board.running())
        except ValueError:  # it has just died, and its board is gone
            running = 0
        return ChildView(self.number, self.pid, self.ready, self.leaving, running)

    def drain(self, timeout_s: float) -> None:
        """Ask it to drain and end."""
        self.leaving = True
        self.channel.send("drain", timeout_s=timeout_s)

    def stop_now(self) -> None:
        """Ask it to hand back everything and end."""
        self.leaving = True
        self.channel.send("now")

    def kill(self, reason: str) -> None:
        """Kill it and what it started, for a reason that its verdict will give."""
        self.reason = self.reason or reason
        kill_group(self.pid, signal.SIGKILL)

    def freeze(self) -> None:
        """Stop it where it is, so that what is said about it stays true."""
        kill_group(self.pid, signal.SIGSTOP)

    def overdue(self) -> tuple[list[Running], str] | None:
        """Return the jobs that may keep it from obeying, and why that is certain; None where all is well."""
        now, s, running = monotonic(), self._settings, self.board.running()
        late = [row for row in running if now > self._due(row) + s.grace_s + BACKSTOP_S]
        if late:
            # Of several it is the one that holds the interpreter, else the one that is overdue longest.
            row = min(suspects(self.pid, late) if len(late) > 1 else late, key=self._due)
            if row.interrupted_at:
                return [row], f"a job did not stop within {s.grace_s:g} s of being told to"
            return [row], (
                f"JobTimeoutError: a job ran longer than its timeout of {row.timeout_s:g} s and could "
                "not be interrupted"
            )
        silent_s = self.board.silent_s()
        if silent_s > s.claim_timeout_s:
            why = f"it gave no sign of life for {silent_s:.0f} s, so its claims are lost"
            return suspects(self.pid, running), why
        return None

    @staticmethod
    def _due(row: Running) -> float:
        """Return when the job should have ended."""
        if row.interrupted_at:
            return row.interrupted_at
        return row.began_at + row.timeout_s if row.timeout_s else float("inf")

    def deaf(self, to_be_cancelled: Callable[[list[Running]], bool]) -> bool:
        """Return whether it has been silent for the grace period since one of its jobs was cancelled."""
        now = monotonic()
        if self.board.silent_s() < MUTE_S or not to_be_cancelled(self.board.running()):
            self._cancelled_at = None
        elif self._cancelled_at is None:
            self._cancelled_at = now
        return self._cancelled_at is not None and now >= self._cancelled_at + self._settings.grace_s

    def close(self) -> None:
        """Let go of what belongs to a dead child."""
        self.channel.close()
        self.board.close()
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None


def _shared_memory(size: int) -> int:
    """Return the descriptor of memory that a child can map too; it has no name and leaves nothing behind."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("queuack-board", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as scratch:
            fd = os.dup(scratch.fileno())
    os.ftruncate(fd, size)
    return fd


def _pidfd(pid: int) -> int | None:
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None  # an old kernel or a sandbox: its end is noticed by looking
