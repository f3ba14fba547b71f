"""What a job forks is no worker: the copy runs that job to its end and ends there, without a word to anybody.

In a copy there are none of the worker's other threads, and whatever these held locked stays locked: a
copy that went on as a worker would run other jobs a second time, or wait for ever.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn, Protocol
from weakref import WeakSet

from queuack_worker.events import log


class Copied(Protocol):
    """What is told, in a copy, that this is one."""

    def forked(self) -> None:
        """Note it. Takes no lock and touches nothing that the real process can see."""
        ...


_told: WeakSet[Copied] = WeakSet()
_registered = False


def tell_copies(thing: Copied) -> None:
    """Have `thing.forked()` called in every copy of this process made from now on, as long as it lives."""
    global _registered  # os.register_at_fork can't be undone, so it is done once
    if not _registered:
        os.register_at_fork(after_in_child=_forked)
        _registered = True
    _told.add(thing)


def _forked() -> None:
    for thing in list(_told):
        thing.forked()


def end_copy(well: bool = True) -> NoReturn:
    """End this process, a copy in which the job has come to its end: with 0, or 1 where it raised."""
    log.warning(
        "a job has forked, and its copy, process %d, came back from the job: the copy ends here. "
        "End what os.fork() makes with os._exit()",
        os.getpid(),
    )
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # the job closed it
    os._exit(0 if well else 1)
