"""`top`: queues, rates, workers and running jobs, live."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from queuack.cli import output, overview
from queuack.cli.asking import now
from queuack.cli.opening import opened
from queuack.cli.options import DEFAULT_DB, AsJson, Db

if TYPE_CHECKING:
    from rich.console import Group

    from queuack import DuckQueue

ENDED = ("done", "failed", "skipped", "cancelled")


def top(
    interval: Annotated[
        float, typer.Option("--interval", "-i", min=0.2, help="Seconds between two looks.")
    ] = 2.0,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="Stop after so many looks.")
    ] = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Watch the queues live: counts, rates, workers, the longest running jobs. Ctrl-C ends it.

    With --json one line a look; without a terminal it looks once unless --count says more.
    """
    live = sys.stdout.isatty() and not as_json
    if count is None and not live and not as_json:
        count = 1
    with opened(db) as queue:
        looks = _looks(queue, interval, count)
        try:
            if live:
                _show(looks, queue.db_path)
            else:
                for look in looks:
                    _print(look, queue.db_path, as_json)
        except KeyboardInterrupt:
            pass  # the usual way to leave


def _looks(queue: DuckQueue, interval: float, count: int | None) -> Iterator[dict[str, Any]]:
    before: dict[str, int] | None = None
    then = 0.0
    looked = 0
    while True:
        queues, moment = queue.queues(), time.monotonic()
        ended = {name: sum(counts[state] for state in ENDED) for name, counts in queues.items()}
        rates = None
        if before is not None:
            more = {name: max(0, number - before.get(name, 0)) for name, number in ended.items()}
            rates = {name: number / (moment - then) for name, number in more.items()}
        yield {"at": now(), "counts": queues, "ended_per_second": rates, **overview.seen(queue)}
        looked += 1
        if looked == count:
            return
        before, then = ended, moment
        time.sleep(interval)


def _show(looks: Iterator[dict[str, Any]], path: str) -> None:
    from rich.live import Live

    with Live(console=output.console(), screen=True, auto_refresh=False) as screen:
        for look in looks:
            screen.update(_page(look, path), refresh=True)


def _print(look: dict[str, Any], path: str, as_json: bool) -> None:
    if as_json:
        output.write(output.json_bytes(look).decode() + "\n")
    else:
        output.console().print(_page(look, path))


def _page(look: dict[str, Any], path: str) -> Group:
    from rich.console import Group
    from rich.text import Text

    headings, rows = overview.queue_rows(look["counts"])
    rates = look["ended_per_second"]
    for row, name in zip(rows, [*sorted(look["counts"]), None], strict=False):
        rate = None if rates is None else round(sum(rates.values()) if name is None else rates[name], 1)
        row.insert(1, rate)  # a narrow terminal has no room for the last column
    return Group(
        Text(f"{path}   {output.shown(look['at'])}   Ctrl-C ends", style="dim"),
        Text(),
        output.grid([headings[0], "ENDED/S", *headings[1:]], rows),
        Text(),
        output.grid(*overview.worker_rows(look)),
        Text(),
        output.grid(*overview.running_rows(look)),
    )
