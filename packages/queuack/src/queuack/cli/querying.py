"""`sql`: one SELECT over the history, as a table, JSON or CSV."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from queuack.cli import output
from queuack.cli.exits import CommandError
from queuack.cli.opening import opened
from queuack.cli.options import DEFAULT_DB, AsJson, Db

if TYPE_CHECKING:
    from queuack import Rows

SHOWN_ROWS = 1_000  # of a table; JSON and CSV hold all


def sql(
    query: Annotated[str, typer.Argument(help="One SELECT; - reads it from standard input.")],
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds it may take.")] = 60.0,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Run one SELECT over jobs, job_attempts, job_dependencies and dag_runs, while workers run.

    queuack sql "SELECT task, count(*) FROM jobs GROUP BY ALL"
    """
    if csv and as_json:
        raise CommandError("give one of --json and --csv")
    if query == "-":
        query = sys.stdin.read()
    with opened(db) as queue:
        rows = queue.sql(query, timeout=timeout)
        if as_json:
            _write_json(rows)
        elif csv:
            _write_csv(rows)
        else:
            output.table(rows.columns, _first(rows))
            if len(rows) > SHOWN_ROWS:
                output.say(f"{SHOWN_ROWS:,} of {len(rows):,} rows; --json and --csv print all", "dim")


def _first(rows: Rows) -> Iterable[tuple[object, ...]]:
    return (row for row, _ in zip(rows, range(SHOWN_ROWS), strict=False))


def _write_json(rows: Rows) -> None:
    # Row by row: a result may be larger than memory.
    mark = "[\n"
    for row in rows:
        line = output.json_bytes(dict(zip(rows.columns, row, strict=True))).decode()
        output.write(f"{mark}{line}")
        mark = ",\n"
    output.write("[]\n" if mark == "[\n" else "\n]\n")


def _write_csv(rows: Rows) -> None:
    from csv import writer

    class Standard:
        write = staticmethod(output.write)

    lines = writer(Standard(), lineterminator="\n")
    lines.writerow(rows.columns)
    lines.writerows(rows)
