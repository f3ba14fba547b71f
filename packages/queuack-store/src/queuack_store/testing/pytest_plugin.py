"""The pytest plugin: a queue in memory that a test drives by hand. It loads nothing until a test asks for it.

pytest finds it through the entry point `pytest11`; docs/testing-your-jobs.md shows its use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from queuack_store.testing.manual_queue import ManualQueue


@pytest.fixture
def queuack_options() -> dict[str, Any]:
    """Options of the `queuack_queue` fixture, as `DuckQueue` takes them; override it to give some."""
    return {}


@pytest.fixture
def queuack_queue(queuack_options: dict[str, Any]) -> Iterator[ManualQueue]:
    """A queue in memory on the real engine: run its jobs by `drain()`, move its time by `advance()`."""
    from queuack_store.testing.manual_queue import ManualQueue

    with ManualQueue(**queuack_options) as queue:
        yield queue
