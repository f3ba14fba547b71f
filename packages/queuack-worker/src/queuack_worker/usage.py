"""What a job used of the machine, as far as the operating system tells a process about itself."""

from __future__ import annotations

import os
import re
import resource
import sys
import time

_PEAK = re.compile(rb"^VmHWM:\s+(\d+) kB", re.MULTILINE)
LONG_S = 0.005  # shorter jobs are not measured: it would cost more than they do
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def peak_rss() -> int:
    """Return the highest resident memory this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT


def rss() -> int:
    """Return the resident memory of this process now, in bytes; the peak where that can't be told."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return peak_rss()


class Usage:
    """Measures what jobs use of this process.

    Args:
        alone: one job at a time has the process for itself (a child with one runner). Then its CPU time
            counts all its threads and the processes it waited for, and the peak of its memory is begun
            anew with each job. Otherwise CPU time is that of the runner's thread, and the peak is the
            highest the process has had, whoever caused it.
    """

    def __init__(self, alone: bool) -> None:
        self._alone = alone
        self._status = self._reset = -1
        if alone:
            try:
                self._reset = os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
                self._status = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                pass  # no Linux, or not allowed: the peak is the process's

    def cpu_s(self) -> float:
        """Return the CPU time so far, in seconds; a job has used the difference of two."""
        if not self._alone:
            return time.thread_time()
        waited = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + waited.ru_utime + waited.ru_stime

    def take_peak(self) -> int:
        """Return the peak of resident memory in bytes, and begin anew where that can be done."""
        if self._status < 0:
            return peak_rss()
        try:
            held = _PEAK.search(os.pread(self._status, 4_096, 0))
            os.pwrite(self._reset, b"5", 0)  # resets VmHWM, and nothing else
        except OSError:
            held = None
        return peak_rss() if held is None else int(held[1]) << 10


def limit_memory(extra_bytes: int) -> None:
    """Let this process map at most `extra_bytes` more than it has now (RLIMIT_AS); for good."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            mapped = int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        mapped = 0
    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = mapped + extra_bytes
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
