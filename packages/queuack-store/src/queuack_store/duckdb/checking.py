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


_PIVOT = "PIVOT (it needs more than one statement): fetch the rows and pivot them where you are"


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
        raise _not_a_select(f"{len(statements)} statements", query)
    kind = statements[0].type.name
    if kind != "SELECT":
        raise _not_a_select(_PIVOT if kind == "MULTI" else kind, query)
    tree = json.loads(cursor.execute(sql("parse"), {"query": query}).fetchone()[0])
    if tree["error"]:
        raise _not_a_select(f"something that can't be checked ({tree['error_message']})", query)
    for node in _nodes(tree):
        _check_node(node, query)


def _check_node(node: dict[str, Any], query: str) -> None:
    kind = node.get("type")
    if kind == "TABLE_FUNCTION":
        name = str(node["function"]["function_name"]).lower()
        if name not in _TABLE_FUNCTIONS:
            raise QueryError(
                f"{name}() is refused: sql() reads the tables of this database only; read files and other "
                "sources in your own DuckDB and join there",
                query=query, function=name,
            )  # fmt: skip
    elif isinstance(kind, str) and kind.endswith("_QUERY_NODE"):
        raise _not_a_select(kind.removesuffix("_QUERY_NODE"), query)


def _not_a_select(found: str, query: str) -> QueryError:
    return QueryError(f"sql() takes exactly one SELECT and only looks; this is {found}", query=query)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    left = [tree]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            yield item
            left.extend(item.values())
        elif isinstance(item, list):
            left.extend(item)
