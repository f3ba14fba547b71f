"""The contract suite against every way of having a store: in memory, an inline file, an owner process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from queuack_store import DuckQueue
from queuack_store.testing.contract import StoreContract
from queuack_store.testing.tasks import MakeQueue


@contextlib.contextmanager
def opened(db_path: str, owner: str) -> Iterator[MakeQueue]:
    """Hand out handles on one store and close what the test left open."""
    with contextlib.ExitStack() as handles:

        def make_queue(cls: type[DuckQueue] = DuckQueue, /, **options: Any) -> DuckQueue:
            queue = cls(db_path, **{"owner": owner, **options})
            handles.callback(queue.close)
            return queue

        yield make_queue


class TestMemory(StoreContract):
    """A queue in memory."""

    @pytest.fixture
    def make_queue(self) -> Iterator[MakeQueue]:
        with opened(":memory:", "process") as make_queue:
            yield make_queue


class TestInline(StoreContract):
    """A file whose engine is in this process."""

    @pytest.fixture
    def make_queue(self, tmp_path: Path) -> Iterator[MakeQueue]:
        with opened(str(tmp_path / "jobs.db"), "inline") as make_queue:
            yield make_queue


class TestOwnerProcess(StoreContract):
    """A file whose engine is a process of its own, reached over its socket."""

    @pytest.fixture
    def make_queue(self, tmp_path: Path) -> Iterator[MakeQueue]:
        with opened(str(tmp_path / "jobs.db"), "process") as make_queue:
            yield make_queue
