"""Fixtures of the DAG's tests: queues that close, and node functions that other processes can import."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from queuack_store import DuckQueue

# Children and worker processes find node functions by name; they are given this process's sys.path.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def memory() -> Iterator[DuckQueue]:
    """A queue in memory."""
    with DuckQueue(":memory:") as queue:
        yield queue


@pytest.fixture
def inline(tmp_path: Path) -> Iterator[DuckQueue]:
    """A queue in a file, held by this process."""
    with DuckQueue(tmp_path / "jobs.db", owner="inline") as queue:
        yield queue


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[DuckQueue]:
    """A queue in a file, held by an owner process."""
    with DuckQueue(tmp_path / "jobs.db") as queue:
        yield queue
