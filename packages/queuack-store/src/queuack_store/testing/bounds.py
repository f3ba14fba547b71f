"""The engine's bounds made small, so that a test with a dozen jobs meets every one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from queuack_store.engine import expiring, refill, state, window
from queuack_store.engine.handlers import administering

SMALL = (
    (window, "MAX_WINDOW_JOBS", 12),
    (refill, "REFILL_JOBS", 8),
    (refill, "MIN_REFILL", 4),
    (refill, "LOW_WATER", 3),
    (state, "MAX_KEPT_WAITING", 4),
    (administering, "PURGE_CHUNK", 3),
    (expiring, "MAX_EXPIRING", 3),
)


@contextmanager
def small_bounds() -> Iterator[None]:
    """Shrink the bounds of all engines of this process for as long as the context lasts."""
    before = [(module, name, getattr(module, name)) for module, name, _ in SMALL]
    for module, name, value in SMALL:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
