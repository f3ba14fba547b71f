"""From the options to an open queue; only commands that may make a file make one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from queuack.cli.exits import NOT_FOUND, CommandError

if TYPE_CHECKING:
    from queuack import DuckQueue


@contextmanager
def opened(db: Path, *, create: bool = False, serialization: str = "json_ref") -> Iterator[DuckQueue]:
    """Open the queue for one command. Without `create` a file that is not there is an error, not a new queue.

    By default nothing is unpickled; a command that shows results says so.
    """
    must_exist(db, create)
    from queuack import DuckQueue

    with DuckQueue(db, serialization=serialization) as queue:
        yield queue


def must_exist(db: Path, create: bool = False) -> None:
    """Refuse a file that is not there.

    Raises:
        CommandError: with `NOT_FOUND`.
    """
    if not create and not db.exists():
        raise CommandError(
            f"there is no queue {db.absolute()}: name another with --db or QUEUACK_DB, or make this one with "
            "`queuack init`",
            NOT_FOUND,
        )
