"""`stats` and `status`: how many jobs wait, run and ended, and what holds the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queuack.cli import output
from queuack.cli.asking import ask
from queuack.cli.opening import opened
from queuack.cli.options import DEFAULT_DB, AsJson, Db, Queue

if TYPE_CHECKING:
    from queuack import DuckQueue

_WORKERS = """
SELECT claimed_by AS worker, count(*) AS jobs, count(started_at) AS running, min(started_at) AS longest_since
FROM jobs WHERE status = 'claimed' GROUP BY ALL ORDER BY worker
"""


def stats(queue_name: Queue = None, db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Count the jobs of every queue by state."""
    with opened(db) as queue:
        counts = queue.queues()
        if queue_name is not None:
            counts = {
                queue_name: {**queue.stats(queue_name), "paused": counts.get(queue_name, {}).get("paused", 0)}
            }
    if as_json:
        output.print_json(counts)
    else:
        print_queues(counts)


def print_queues(counts: dict[str, dict[str, int]]) -> None:
    """Print a line for each queue, and one for their sum where there are several."""
    output.table(*queue_rows(counts))


def queue_rows(counts: dict[str, dict[str, int]]) -> tuple[list[str], list[list[Any]]]:
    """Return the headings and rows of a table of queues."""
    from queuack_store.states import JobStatus

    states = [state.value for state in JobStatus]
    rows: list[list[Any]] = []
    for name, found in sorted(counts.items()):
        rows.append([f"{name} (paused)" if found["paused"] else name, *(found[state] for state in states)])
    if len(rows) > 1:
        rows.append(["all", *(sum(row[place] for row in rows) for place in range(1, len(states) + 1))])
    return ["QUEUE", *(state.upper() for state in states)], rows


def status(db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Show the file, its queues and who works on them."""
    with opened(db) as queue:
        found = _status(queue)
    if as_json:
        output.print_json(found)
        return
    output.facts([("file", found["path"]), ("size", output.size(found["bytes"]))])
    if found["queues"]:
        output.say("")
        print_queues(found["queues"])
    output.say("")
    print_workers(found["workers"])


def _status(queue: DuckQueue) -> dict[str, Any]:
    from pathlib import Path

    path = Path(queue.db_path)
    return {
        "path": queue.db_path,
        "bytes": path.stat().st_size,
        "queues": queue.queues(),
        "workers": workers(queue),
    }


def workers(queue: DuckQueue) -> list[dict[str, Any]]:
    """Return who holds jobs just now: `worker, jobs, running, longest_since`."""
    return ask(queue, _WORKERS)


def print_workers(found: list[dict[str, Any]]) -> None:
    """Print a line for each worker that has jobs."""
    if not found:
        output.say("no worker has a job just now", "dim")
        return
    rows = [(w["worker"], w["jobs"], w["running"], w["longest_since"]) for w in found]
    output.table(("WORKER", "CLAIMED", "RUNNING", "LONGEST SINCE"), rows)
