"""Whether a query is one SELECT that only looks: asked of DuckDB's own parser.

The read-only transaction and the lock-down refuse most of what is refused here; this room gives it a clear
message, and stops what they let pass: `SELECT * FROM checkpoint()` runs in a read-only transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb

from queuack_store.duckdb.queries import sql
from queuack_store.errors import QueryError

# Functions in FROM that only make or describe rows; not those that read files, run text as SQL, or act.
_TABLE_FUNCTIONS = frozenset(
    {
        "range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "summary",
        "duckdb_columns", "duckdb_functions", "duckdb_keywords", "duckdb_schemas", "duckdb_settings",
        "duckdb_tables", "duckdb_types", "duckdb_views", "pragma_show", "pragma_storage_info",
        "pragma_table_info", "pragma_version", "show_tables",
    }
)  # fmt: skip


def check_select(cursor: Any, query: str) -> None:
    """Return where `query` is exactly one SELECT that reads tables only.

    Raises:
        QueryError: it is not; the message names what was found.
    """
    try:
        statements = cursor.extract_statements(query)
    except duckdb.Error as error:
        raise QueryError(f"the query can't be parsed: {error}", query=query) from error
    if len(statements) != 1:
        raise QueryError(
            f"sql() takes one SELECT, this is {len(statements)} statements: ask one after the other",
            query=query,
        )
    kind = statements[0].type.name
    if kind != "SELECT":
        raise QueryError(f"sql() takes one SELECT, this is {kind}: the tables are read-only", query=query)
    tree = json.loads(cursor.execute(sql("parse"), {"query": query}).fetchone()[0])
    if tree["error"]:
        if "Only SELECT" in tree["error_message"]:
            raise QueryError(
                "sql() takes one SELECT, and this one holds a part that it can't check (PIVOT or the like): "
                "fetch the rows and pivot them where you are",
                query=query,
            )
        raise QueryError(f"the query can't be parsed: {tree['error_message']}", query=query)
    for node in _nodes(tree):
        kind = node.get("type")
        if kind == "TABLE_FUNCTION":
            name = str(node["function"]["function_name"]).lower()
            if name not in _TABLE_FUNCTIONS:
                raise QueryError(
                    f"{name}() is refused: sql() reads the tables of this database only; read files and "
                    "other sources in your own DuckDB and join there",
                    query=query, function=name,
                )  # fmt: skip
        elif isinstance(kind, str) and kind.endswith("_QUERY_NODE"):
            raise QueryError(
                f"sql() takes one SELECT, this one holds {kind.removesuffix('_QUERY_NODE')}", query=query
            )


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    left = [tree]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            yield item
            left.extend(item.values())
        elif isinstance(item, list):
            left.extend(item)
