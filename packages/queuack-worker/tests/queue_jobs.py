"""Jobs of a heavy queue that never runs dry by itself, and one of a light queue."""

from __future__ import annotations

from pathlib import Path

from queuack_worker import TaskContext
from worker_jobs import append


def heavy(folder: str, left: int, ctx: TaskContext) -> None:
    """Enqueue the next of its kind, until the light one has run or so many have."""
    if left and not (Path(folder) / "light").exists():
        ctx.queue.enqueue(heavy, (folder, left - 1), queue="heavy")
    append(f"{folder}/order", "heavy")


def light(folder: str) -> None:
    append(f"{folder}/order", "light")
    (Path(folder) / "light").touch()
