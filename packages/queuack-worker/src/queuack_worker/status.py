"""The command `queuack-worker status`: who works on a queue, what runs and for how long, and what waits.

It asks the queue's owner, so it sees all workers of the file, whoever started them.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer
from queuack_store import ids
from queuack_store.errors import InvalidRequestError
from queuack_store.requests import GetVitals, Sessions

from queuack_worker.resources import used_by
from queuack_worker.settings import DEFAULT_DB

if TYPE_CHECKING:
    from queuack_store.observed import SessionView
    from queuack_store.queue import DuckQueue
    from rich.table import Table

ANSWER_S = 15.0
CHILD = "queuack_worker.child"  # in a child's command line; its parent is the pool's supervisor

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def status(
    db: Annotated[
        str | None, typer.Argument(help="The queue's file. Default: $QUEUACK_DB, else duckqueue.db here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Show the workers of a queue, what each runs and for how long, and how many jobs wait."""
    from queuack_store.queue import DuckQueue

    path = os.path.abspath(db or os.environ.get("QUEUACK_DB") or DEFAULT_DB)
    if not os.path.exists(path):
        raise InvalidRequestError(
            f"there is no queue at {path}: name its file, or set $QUEUACK_DB", path=path
        )
    with DuckQueue(path) as queue:
        found = seen(queue)
    if as_json:
        typer.echo(json.dumps(found))
        return
    from rich.console import Console

    console = Console()
    for table in _tables(found):
        console.print(table)


def seen(queue: DuckQueue) -> dict[str, Any]:
    """Return how a queue is worked on, as plain data for JSON.

    Keys: `file`, `owner` (pid, rss_bytes), `workers` (a list of pid, the supervisor's or the process's own,
    and `processes`, each with pid, worker, queues, claimed, `held_back` (why it claims nothing, else null),
    rss_bytes, cpu_seconds and what is `running`),
    `clients` (pids of other handles), `queues` (name, paused, jobs by status, oldest_ready_seconds).
    """
    vitals = queue.store.call(GetVitals(), ANSWER_S)
    sessions = queue.store.call(Sessions(), ANSWER_S)
    workers: dict[int, list[dict[str, Any]]] = {}
    clients = []
    for session in sessions:
        if session.id == queue.store.session:
            continue
        if session.worker or session.queues:
            workers.setdefault(_head(session.pid), []).append(_process(session))
        else:
            clients.append(session.pid)
    owner = used_by(vitals.pid)
    return {
        "file": queue.db_path,
        "owner": {"pid": vitals.pid, "rss_bytes": owner and owner.rss},
        "workers": [{"pid": pid, "processes": found} for pid, found in sorted(workers.items())],
        "clients": [pid for pid in clients if pid not in workers],
        "queues": [
            {
                "name": q.name,
                "paused": q.paused,
                "jobs": q.counts,
                "oldest_ready_seconds": q.oldest_ready_s,
            }
            for q in vitals.queues
        ],
    }


def _head(pid: int) -> int:
    """Return the pid of the supervisor that a process is a child of, else the process's own."""
    import psutil

    try:
        process = psutil.Process(pid)
        return process.ppid() if CHILD in process.cmdline() else pid
    except psutil.Error:
        return pid


def _process(session: SessionView) -> dict[str, Any]:
    used = used_by(session.pid)
    return {
        "pid": session.pid,
        "worker": session.worker,
        "queues": session.queues,
        "claimed": session.claimed,
        "held_back": session.held_back or None,
        "silent_seconds": session.silent_s,
        "rss_bytes": used and used.rss,
        "cpu_seconds": used and used.cpu_s,
        "running": [
            {
                "job_id": ids.to_text(job.id),
                "task": job.task,
                "queue": job.queue,
                "attempt": job.attempt,
                "seconds": job.for_s,
            }
            for job in session.running
        ],
    }


def _tables(found: dict[str, Any]) -> list[Table]:
    from rich.table import Table

    workers = Table(title=f"{found['file']}: workers", title_justify="left")
    for column in ("pool", "process", "memory", "runs", "job", "for", "holds"):
        workers.add_column(column, justify="right" if column in ("memory", "for", "holds") else "left")
    for pool in found["workers"]:
        for place, process in enumerate(pool["processes"]):
            _add_process(workers, "" if place else str(pool["pid"]), process)
    if not found["workers"]:
        workers.caption = "no worker listens: start one with queuack-worker"
    queues = Table(title="queues", title_justify="left")
    for column in ("queue", "ready", "delayed", "waiting", "running", "failed", "oldest ready"):
        queues.add_column(column, justify="left" if column == "queue" else "right")
    for queue in found["queues"]:
        counts = [queue["jobs"].get(s, 0) for s in ("pending", "delayed", "waiting", "claimed", "failed")]
        name = f"{queue['name']} (paused)" if queue["paused"] else queue["name"]
        queues.add_row(name, *(f"{count:,}" for count in counts), _age(queue["oldest_ready_seconds"]))
    return [workers, queues]


def _add_process(table: Table, pool: str, process: dict[str, Any]) -> None:
    held = process["claimed"] - len(process["running"])
    rss = process["rss_bytes"]
    head = [pool, f"{process['pid']} {process['worker']}", "" if rss is None else f"{rss >> 20} MB"]
    rows = [(job["task"], job["job_id"], _age(job["seconds"])) for job in process["running"]]
    for place, row in enumerate(rows or [(_idle(process), "", "")]):
        table.add_row(*(["", "", ""] if place else head), *row, "" if place else str(held))


def _idle(process: dict[str, Any]) -> str:
    return f"claims nothing: {process['held_back']}" if process["held_back"] else "idle"


def _age(seconds: float | None) -> str:
    if seconds is None:
        return ""
    whole = int(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    return (
        f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
        if whole >= 3600
        else f"{whole // 60}:{whole % 60:02}"
    )
