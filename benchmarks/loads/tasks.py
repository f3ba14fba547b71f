"""The functions that the benchmarks' jobs run; workers import them by name."""

from __future__ import annotations

import os
import time
from pathlib import Path


def noop(x: object) -> object:
    """Do nothing: what is left is the queue's own cost."""
    return x


def stamp(_: int) -> float:
    """Return when this job started, on the clock that all processes of a machine share."""
    return time.monotonic()


def hold(path: str) -> None:
    """Note pid and start in a file; the first to do so stays until it is killed."""
    notes = Path(path)
    first = not notes.exists()
    with open(notes, "a") as file:
        file.write(f"{os.getpid()} {time.monotonic()}\n")
    if first:
        time.sleep(600)
