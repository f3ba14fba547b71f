"""What a job used of the machine, as far as the operating system tells a process about itself."""

from __future__ import annotations

import os
import resource
import sys
import time

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


def thread_cpu_s() -> float:
    """Return the CPU time of this thread so far, in seconds."""
    return time.thread_time()


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
