"""`worker`: hands everything over to queuack-worker's own command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer


def worker(
    context: typer.Context,
    db: Annotated[Path | None, typer.Option("--db", "-d", help="The queue's file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Log JSON lines, also on a terminal.")] = False,
) -> None:
    """Run jobs in child processes until SIGTERM or Ctrl-C; its options are queuack-worker's (--help)."""
    from queuack_worker.cli import main

    if db is not None:
        os.environ["QUEUACK_DB"] = str(db)
    told = context.args
    if as_json:
        told = [*told, "--json"] if told[:1] == ["status"] else [*told, "--log-format", "json"]
    sys.argv = ["queuack worker", *told]
    main()
