"""`stats` and `status`: how many jobs wait, run and ended, and who works on them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from queuack.cli import output
from queuack.cli.opening import opened
from queuack.cli.options import DEFAULT_DB, AsJson, Db, Queue

if TYPE_CHECKING:
    from queuack import DuckQueue


def stats(queue_name: Queue = None, db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Count the jobs of every queue by state."""
    with opened(db) as queue:
        counts = queue.queues()
        if queue_name is not None:
            counts = {queue_name: counts.get(queue_name) or {**queue.stats(queue_name), "paused": 0}}
    if as_json:
        output.print_json(counts)
    else:
        output.table(*queue_rows(counts))


def queue_rows(counts: dict[str, dict[str, int]]) -> tuple[list[str], list[list[Any]]]:
    """Return the headings and rows of a table of queues, with one for their sum where there are several."""
    from queuack_store.states import JobStatus

    states = [state.value for state in JobStatus]
    rows: list[list[Any]] = []
    for name, found in sorted(counts.items()):
        rows.append([f"{name} (paused)" if found["paused"] else name, *(found[state] for state in states)])
    if len(rows) > 1:
        rows.append(["all", *(sum(row[place] for row in rows) for place in range(1, len(states) + 1))])
    return ["QUEUE", *(state.upper() for state in states)], rows


def status(db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Show the file, its queues, the workers on it and what they run."""
    with opened(db) as queue:
        found = {"bytes": os.path.getsize(queue.db_path), **seen(queue)}
        counts = queue.queues()
    if as_json:
        output.print_json(found)
        return
    output.facts(
        [
            ("file", f"{found['file']}, {output.size(found['bytes'])}"),
            ("owner", f"process {found['owner']['pid']}, {output.size(found['owner']['rss_bytes']) or '?'}"),
            ("clients", f"{len(found['clients'])} besides"),
        ]
    )
    if counts:
        output.say("")
        output.table(*queue_rows(counts))
    output.say("")
    if not found["workers"]:
        output.say("no worker listens: start one with `queuack worker`", "dim")
        return
    output.table(*worker_rows(found))
    running = running_rows(found)[1]
    if running:
        output.say("")
        output.table(running_rows(found)[0], running)


def seen(queue: DuckQueue) -> dict[str, Any]:
    """Return how the queue is worked on, as `queuack-worker status` has it."""
    from queuack_worker.status import seen

    return seen(queue)


def worker_rows(found: dict[str, Any]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Return the headings and rows of a table of the processes that work on the queue."""
    rows: list[tuple[Any, ...]] = [
        (
            process["worker"],
            str(process["pid"]),
            ", ".join(process["queues"]),
            process["claimed"],
            len(process["running"]),
            output.size(process["rss_bytes"]),
            process["held_back"] or "",
        )
        for pool in found["workers"]
        for process in pool["processes"]
    ]
    headings = ("WORKER", "PROCESS", "QUEUES", "CLAIMED", "RUNNING", "MEMORY", "CLAIMS NOTHING")
    if any(row[-1] for row in rows):  # a limit of the machine is passed
        return headings, rows
    return headings[:-1], [row[:-1] for row in rows]


def running_rows(found: dict[str, Any], most: int = 20) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Return the headings and rows of a table of running jobs, the longest first."""
    running = [
        (job["seconds"], job["job_id"], job["task"], job["queue"], process["worker"], job["attempt"])
        for pool in found["workers"]
        for process in pool["processes"]
        for job in process["running"]
    ]
    rows = [(*rest, output.duration(seconds)) for seconds, *rest in sorted(running, reverse=True)[:most]]
    return ("RUNNING JOB", "TASK", "QUEUE", "WORKER", "TRY", "FOR"), rows
