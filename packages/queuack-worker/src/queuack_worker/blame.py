"""Who holds the interpreter of a child that can't speak, as far as the kernel tells."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queuack_worker.board import Running

LOOKS, PAUSE_S = 10, 0.05  # how often and how far apart the threads are looked at, at most
WAKES = 3  # a thread that woke so often meanwhile asks for the interpreter, it does not hold it


def suspects(pid: int, running: Sequence[Running]) -> list[Running]:
    """Return those of `running` that may hold the interpreter of `pid`; all where nothing can be told.

    Only one coroutine of a loop is at work. A thread that waits for the interpreter wakes every 5 ms to
    ask for it; one that holds it, in code in C, does not. Takes half a second at most.
    """
    at_work = [row for row in running if row.thread]
    before = {row.thread: _wakes(pid, row.thread) for row in at_work}
    left = set(before)
    for _ in range(LOOKS):
        if len(left) < 2:
            break
        threading.Event().wait(PAUSE_S)
        left = {thread for thread in left if _wakes(pid, thread) - before[thread] < WAKES}
    return [row for row in at_work if row.thread in left] or at_work or list(running)


def _wakes(pid: int, thread: int) -> int:
    """Return how often a thread has waited for something; 0 where that can't be told."""
    try:
        with open(f"/proc/{pid}/task/{thread}/status") as lines:
            return next((int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt")), 0)
    except OSError:
        return 0
