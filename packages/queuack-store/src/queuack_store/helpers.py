"""What other packages of queuack add to a queue: workers, DAGs and their tasks, found through entry points.

The store imports nothing above it; without the package the error says what to install.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

from queuack_store.errors import MissingPackageError

WORKERS = "queuack.workers"
DAGS = "queuack.dags"
TASKS = "queuack.tasks"  # "module:name" of tasks that queuack's packages put into a queue themselves
_PACKAGES = {WORKERS: "queuack-worker", DAGS: "queuack-dag"}


class Pool(Protocol):
    """The entry point "pool" of queuack.workers: called with (queue, num_workers, concurrency)."""

    def start(self) -> None:
        """Start the workers."""
        ...

    def stop(self, timeout: float = 30.0) -> None:
        """Stop them: drain for up to `timeout` seconds, then hand the rest back unspent."""
        ...


def load(group: str, name: str) -> Callable[..., Any]:
    """Return what the entry point `name` of `group` leads to.

    Raises:
        MissingPackageError: the package that brings it is not installed.
    """
    from importlib.metadata import entry_points  # reads every installed package's metadata

    for point in entry_points(group=group, name=name):
        return point.load()  # type: ignore[no-any-return]
    package = _PACKAGES[group]
    raise MissingPackageError(
        f"this needs the package {package}, which is not installed: pip install {package}", package=package
    )


@cache
def own_tasks() -> frozenset[str]:
    """Return the names of the tasks that installed packages of queuack enqueue of their own accord."""
    from importlib.metadata import entry_points

    return frozenset(point.value for point in entry_points(group=TASKS))
