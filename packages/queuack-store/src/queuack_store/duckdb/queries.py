"""The SQL of this room, read from its files once: `queries/` for statements, `migrations/` for the schema.

`{_name}` in a statement stands for the text of `queries/_name.sql`, a list of columns that several share.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_ROOM = "queuack_store.duckdb"


@cache
def sql(name: str) -> str:
    """Return the statement in `queries/<name>.sql`."""
    text = files(_ROOM).joinpath("queries", f"{name}.sql").read_text("utf-8")
    return re.sub(r"\{(_\w+)\}", lambda shared: _without_comment(sql(shared[1])), text)


def _without_comment(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


@cache
def migrations() -> dict[int, list[str]]:
    """Return the statements of each schema version, in order; a file is `<version>_<step>_<what>.sql`."""
    found: dict[int, list[str]] = {}
    folder = files(_ROOM).joinpath("migrations")
    for name in sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql")):
        found.setdefault(int(name.split("_")[0]), []).append(folder.joinpath(name).read_text("utf-8"))
    return found


def latest_version() -> int:
    """Return the schema version that this installation writes."""
    return max(migrations())
