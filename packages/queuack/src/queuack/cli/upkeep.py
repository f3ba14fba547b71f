"""`backup` and `export`: copies for keeping, made while workers run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from queuack.cli import output
from queuack.cli.asking import now
from queuack.cli.opening import opened
from queuack.cli.options import DEFAULT_DB, AsJson, Db, moment_of

Told = Callable[[int, int], object]


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The new file; nothing is overwritten.")],
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Copy the whole queue to a new file, consistent as of now, while everything runs."""
    with opened(db) as queue, _progress("backing up") as progress:
        rows = queue.backup(target, progress)
    _report(target, rows, as_json)


def export(
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="The new folder, as history.parquet.")],
    since: Annotated[
        str | None, typer.Option("--since", help="A day, 2026-11-24, or so long ago: 7d.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="The same; not included.")] = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Write what has ended as Parquet, jobs and attempts, a folder a day, while everything runs.

    queuack export history.parquet --since 30d
    """
    present = now()
    first, last = moment_of(since, "--since", present), moment_of(until, "--until", present)
    with opened(db) as queue, _progress("exporting") as progress:
        rows = queue.export_history(target, first, last, progress)
    _report(target, rows, as_json)
    if rows["jobs"] and not as_json:
        output.say(f"read it: duckdb -c \"FROM '{target}/jobs/**/*.parquet'\"", "dim")


def _report(target: Path, rows: dict[str, int], as_json: bool) -> None:
    if as_json:
        output.print_json({"path": os.path.abspath(target), "rows": rows})
    else:
        counts = ", ".join(f"{count:,} {table}" for table, count in rows.items())
        output.say(f"{os.path.abspath(target)}: {counts}")


@contextmanager
def _progress(what: str) -> Iterator[Told | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn(what), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield tell
