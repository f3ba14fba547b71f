"""Fixtures of the worker's tests: queues that close, workers that stop, jobs that children can import."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from queuack_store import DuckQueue

if TYPE_CHECKING:
    from worker_signals import Signals

# Children find job functions by name; they are given this process's sys.path.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def memory() -> Iterator[DuckQueue]:
    """A queue in memory."""
    with DuckQueue(":memory:") as queue:
        yield queue


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[DuckQueue]:
    """A queue in a file, held by an owner process."""
    with DuckQueue(tmp_path / "jobs.db") as queue:
        yield queue


@pytest.fixture
def pool_of(shared: DuckQueue) -> Iterator[Callable[..., object]]:
    """Start a pool of child processes on `shared`; it is drained at the end."""
    from worker_pools import RunningPool

    pools: list[RunningPool] = []

    def start(processes: int = 1, **settings: object) -> RunningPool:
        pools.append(RunningPool(shared, processes, **settings))
        return pools[-1]

    yield start
    for pool in pools:
        pool.stop()


@pytest.fixture
def signals(tmp_path: Path) -> Iterator[Signals]:
    """Where jobs say that they have come so far."""
    from worker_signals import Signals

    made = Signals(tmp_path)
    yield made
    made.close()
