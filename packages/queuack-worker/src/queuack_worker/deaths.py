"""How a child process died, in words: the signal or exit code, its memory, and who is to blame."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections import deque
from dataclasses import dataclass

from queuack_store.clock import monotonic

from queuack_worker.child import CONDEMNED, CUT_OFF

LATELY_S = 2.0  # a process of some GB takes a while to die, and its end is noticed within a second
NEARLY = 0.8  # of its limit: what fails then is most likely an allocation
_OUT_OF_MEMORY = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS)
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Death:
    """The end of a process as the kernel tells it.

    oom: its OOM killer struck about then. reason: why its supervisor killed it. limit: bytes that its jobs
    were allowed to take, where that is limited.
    """

    pid: int
    code: int | None  # exit code, or None
    signal: int | None
    peak_rss: int  # bytes
    oom: bool = False
    reason: str | None = None
    limit: int | None = None

    @property
    def orderly(self) -> bool:
        """Whether it exited with 0 and nobody killed it."""
        return self.code == 0 and self.reason is None

    @property
    def shot(self) -> bool:
        """Whether somebody else killed it: neither its supervisor nor, as far as can be told, the kernel."""
        return self.signal in (signal.SIGKILL, signal.SIGTERM) and not self.oom and self.reason is None

    def verdict(self) -> str:
        """Return what to tell of it, such as "killed by the OOM killer (SIGKILL), peak RSS 512 MB"."""
        peak = f"peak RSS {self.peak_rss >> 20} MB"
        if self.reason is not None:
            return f"the worker process {self.pid} was killed: {self.reason} ({peak})"
        if self.signal is not None:
            name = _signal_name(self.signal)
            if self.signal == signal.SIGKILL and self.oom:
                return f"the worker process {self.pid} was killed by the OOM killer ({name}), {peak}"
            return f"the worker process {self.pid} died of {name}{self._hint()}, {peak}"
        if self.code == CONDEMNED:
            return f"the worker process {self.pid} ended itself: a job in it did not stop ({peak})"
        if self.code == CUT_OFF:
            return (
                f"the worker process {self.pid} ended itself: a job in it had closed its descriptors, and "
                f"with them its lines to owner and supervisor ({peak})"
            )
        return f"the worker process {self.pid} exited with code {self.code}, {peak}"

    def _hint(self) -> str:
        number, limit = self.signal, self.limit
        if number in _OUT_OF_MEMORY and limit is not None and self.peak_rss > limit * NEARLY:
            return f" (out of memory: its jobs may take {limit >> 20} MB)"
        if number == signal.SIGSEGV:
            return " (a crash in native code)"
        if number == signal.SIGABRT:
            return " (native code gave up)"
        if number == signal.SIGXCPU and resource.getrlimit(resource.RLIMIT_CPU)[0] != resource.RLIM_INFINITY:
            return " (its CPU limit)"
        return ""


class OomKills:
    """Tells whether the kernel's OOM killer has struck lately; `look` about once a second."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque([(monotonic(), oom_kills())])

    def look(self) -> None:
        """Note how often it has struck by now."""
        now = monotonic()
        self._seen.append((now, oom_kills()))
        while len(self._seen) > 1 and self._seen[1][0] < now - LATELY_S:
            self._seen.popleft()

    def struck(self) -> bool:
        """Return whether it has struck within the last few seconds."""
        return oom_kills() > self._seen[0][1]


def collect(pid: int, kills: OomKills, reason: str | None, limit: int | None = None) -> Death | None:
    """Return how `pid`, a child of this process, died; None where it lives.

    What it had started, and left behind when it died out of turn, is killed: the job runs again elsewhere.
    """
    try:
        _sweep(pid)
        found, status, usage = os.wait4(pid, os.WNOHANG)
    except ChildProcessError:
        # Somebody else in this process reaped it: that it died is all there is to know.
        return Death(pid, None, None, 0, False, reason)
    if found == 0:
        return None
    code = os.waitstatus_to_exitcode(status)
    return Death(
        pid,
        code if code >= 0 else None,
        -code if code < 0 else None,
        usage.ru_maxrss * _RSS_UNIT,
        kills.struck(),
        reason,
        limit,
    )


def _sweep(pid: int) -> None:
    """Kill what is left of a dead child's group, while its pid is still its own."""
    if not hasattr(os, "waitid"):
        return
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is not None and (ended.si_code != os.CLD_EXITED or ended.si_status != 0):
        kill_group(pid, signal.SIGKILL)


def kill_group(pid: int, number: int) -> None:
    """Send a signal to a child and all that it started, as far as that is still in its group."""
    # It leads a group of its own; a child that has not got that far yet is alone in it.
    for send in (os.killpg, os.kill):
        try:
            send(pid, number)
        except (ProcessLookupError, PermissionError):
            continue
        return


def oom_kills() -> int:
    """Return how often the kernel's OOM killer has struck so far; 0 where that can't be told."""
    count = 0
    for path, key in (("/proc/vmstat", "oom_kill "), (_cgroup_events(), "oom_kill ")):
        try:
            with open(path) as lines:
                for line in lines:
                    if line.startswith(key):
                        count += int(line.split()[1])
        except OSError:
            continue
    return count


def _cgroup_events() -> str:
    try:
        with open("/proc/self/cgroup") as lines:
            for line in lines:
                if line.startswith("0::"):
                    return f"/sys/fs/cgroup{line[3:].strip()}/memory.events"
    except OSError:
        pass
    return os.devnull


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
