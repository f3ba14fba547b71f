"""What the supervisor tells the engine about jobs in a child that can't speak for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queuack_store.errors import QueuackError
from queuack_store.requests import Verdict

from queuack_worker.events import log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from queuack_store.store import Store

    from queuack_worker.board import Running

PATIENCE_S = 5.0


def report(
    store: Store,
    culprits: Sequence[Running],
    error: str,
    peak_rss: int | None,
    spared: Sequence[Running] = (),
) -> None:
    """Say why `culprits` ended; `spared` ran beside them and go back unspent.

    Only a service: that the attempts are counted does not depend on it (law 4).
    """
    claims, beside = ([(row.id, row.claim) for row in rows] for rows in (culprits, spared))
    try:
        store.call(Verdict(claims, error, peak_rss, beside), PATIENCE_S)
    except QueuackError as failed:
        log.warning("the verdict on %d jobs could not be stored: %s", len(culprits), failed)
