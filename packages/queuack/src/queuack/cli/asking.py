"""Questions to `sql()` whose rows come back as dicts, with times that know their zone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from queuack import DuckQueue


def ask(queue: DuckQueue, query: str, params: Any = None) -> list[dict[str, Any]]:
    """Return the rows of one SELECT, each by its columns' names."""
    rows = queue.sql(query, params)
    return [dict(zip(rows.columns, map(_public, row), strict=True)) for row in rows]


def _public(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return str(value) if isinstance(value, UUID) else value


def now() -> datetime:
    """Return the present in UTC."""
    from queuack_store.clock import to_datetime, wall

    moment = to_datetime(wall())
    assert moment is not None
    return moment
