"""`top`: queues, rates, workers and running jobs, live."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from queuack.cli import output, overview
from queuack.cli.asking import ask, now
from queuack.cli.opening import opened
from queuack.cli.options import DEFAULT_DB, AsJson, Db

if TYPE_CHECKING:
    from rich.console import Group

    from queuack import DuckQueue

SHOWN_JOBS = 20
ENDED = ("done", "failed", "skipped", "cancelled")
_RUNNING = """
SELECT id, task, queue, claimed_by AS worker, attempts, started_at FROM jobs
WHERE status = 'claimed' AND started_at IS NOT NULL ORDER BY started_at LIMIT ?
"""


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
    seen = 0
    while True:
        queues, moment = queue.queues(), time.monotonic()
        ended = {name: sum(counts[state] for state in ENDED) for name, counts in queues.items()}
        rates = None
        if before is not None:
            more = {name: max(0, number - before.get(name, 0)) for name, number in ended.items()}
            rates = {name: number / (moment - then) for name, number in more.items()}
        yield {
            "at": now(),
            "queues": queues,
            "ended_per_second": rates,
            "workers": overview.workers(queue),
            "running": ask(queue, _RUNNING, [SHOWN_JOBS]),
        }
        seen += 1
        if seen == count:
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

    headings, rows = overview.queue_rows(look["queues"])
    rates = look["ended_per_second"]
    for row, name in zip(rows, [*sorted(look["queues"]), None], strict=False):
        row.append(None if rates is None else round(sum(rates.values()) if name is None else rates[name], 1))
    keys = ("id", "task", "queue", "worker", "attempts")
    running = [
        (*(job[key] for key in keys), output.since(job["started_at"], look["at"])) for job in look["running"]
    ]
    workers = [(w["worker"], w["jobs"], w["running"]) for w in look["workers"]]
    return Group(
        Text(f"{path}   {output.shown(look['at'])}   Ctrl-C ends", style="dim"),
        Text(),
        output.grid([*headings, "ENDED/S"], rows),
        Text(),
        output.grid(("WORKER", "CLAIMED", "RUNNING"), workers),
        Text(),
        output.grid(("RUNNING JOB", "TASK", "QUEUE", "WORKER", "TRY", "FOR"), running),
    )
