"""How a child process died, in words: the signal or exit code, its memory, and who is to blame."""

from __future__ import annotations

import os
import resource
import signal
import sys
from dataclasses import dataclass

from queuack_worker.child import CONDEMNED

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Death:
    """The end of a process as the kernel tells it. `oom`: its OOM killer struck while it lived."""

    pid: int
    code: int | None  # exit code, or None
    signal: int | None
    peak_rss: int  # bytes
    oom: bool = False
    reason: str | None = None  # why its supervisor killed it

    @property
    def orderly(self) -> bool:
        """Whether it exited with 0 and nobody killed it."""
        return self.code == 0 and self.reason is None

    def verdict(self) -> str:
        """Return what to tell of it, such as "killed by the OOM killer (SIGKILL), peak RSS 512 MB"."""
        peak = f"peak RSS {self.peak_rss >> 20} MB"
        if self.reason is not None:
            return f"the worker process {self.pid} was killed: {self.reason} ({peak})"
        if self.signal is not None:
            name = _signal_name(self.signal)
            if self.signal == signal.SIGKILL and self.oom:
                return f"the worker process {self.pid} was killed by the OOM killer ({name}), {peak}"
            return f"the worker process {self.pid} died of {name}{_hint(self.signal)}, {peak}"
        if self.code == CONDEMNED:
            return f"the worker process {self.pid} ended itself: a job in it did not stop ({peak})"
        return f"the worker process {self.pid} exited with code {self.code} during the job, {peak}"


def collect(pid: int, oom_before: int, reason: str | None) -> Death | None:
    """Return how `pid`, a child of this process, died; None where it lives."""
    try:
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
        oom_kills() > oom_before,
        reason,
    )


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


def _hint(number: int) -> str:
    if number == signal.SIGSEGV:
        return " (a crash in native code)"
    if number == signal.SIGABRT:
        return " (native code gave up)"
    if number == signal.SIGXCPU and resource.getrlimit(resource.RLIMIT_CPU)[0] != resource.RLIM_INFINITY:
        return " (its CPU limit)"
    return ""
