"""What a job forks is no worker: the copy runs that job to its end and ends there, without a word to anybody.

In a copy there are none of the worker's other threads, and whatever these held locked stays locked: a
copy that went on as a worker would run other jobs a second time, or wait for ever.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from queuack_worker.events import log


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
