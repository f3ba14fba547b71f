"""`show` and `why`: all there is to know of one job, and why it is not running."""

from __future__ import annotations

from datetime import datetime
from shlex import join
from typing import TYPE_CHECKING, Annotated, Any

import typer

from queuack.cli import output
from queuack.cli.asking import ask, now
from queuack.cli.exits import NOT_FOUND, CommandError
from queuack.cli.listing import COMMAND
from queuack.cli.opening import opened
from queuack.cli.options import DEFAULT_DB, AsJson, Db, Serialization, Stored

if TYPE_CHECKING:
    from queuack import DuckQueue, Job, JobProgress

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]

_KIN = """
SELECT j.id, j.node_name AS name, j.task, j.status
FROM job_dependencies d JOIN jobs j ON j.id = d.{other}
WHERE d.{own} = ?::UUID ORDER BY d.position, j.seq LIMIT 100
"""

_PAYLOAD = """
SELECT payload FROM job_payloads WHERE seq = (SELECT seq FROM jobs WHERE id = ?::UUID) ORDER BY part
"""


def show(
    job_id: JobId, db: Db = DEFAULT_DB, serialization: Stored = Serialization.PICKLE, as_json: AsJson = False
) -> None:
    """Show a job: state, times, progress, attempts with tracebacks, logs, parents, children, result."""
    with opened(db, serialization=serialization) as queue:
        job = queue.get_job(job_id)
        if job is None:
            raise CommandError(f"there is no job {job_id}: it never existed or was purged", NOT_FOUND)
        found = _everything(queue, job)
    if as_json:
        output.print_json(found)
    else:
        _print(found)


def why(job_id: JobId, db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Say exactly why a job is not running: paused, delayed, waiting, behind others, or without a worker."""
    with opened(db) as queue:
        reason = queue.why(job_id)
    if as_json:
        output.print_json(reason)
        return
    output.say(reason["text"])
    parents = reason.get("parents")
    if parents:
        output.table(("PARENT", "NAME", "STATE"), [(p["id"], p["name"], p["status"]) for p in parents])


def _everything(queue: DuckQueue, job: Job) -> dict[str, Any]:
    found = {name: getattr(job, name) for name in job.__struct_fields__ if not name.startswith("_")}
    found["waited_seconds"] = _between(job.created_at, job.started_at)
    found["ran_seconds"] = _between(job.started_at, job.completed_at)
    found["attempt_rows"] = queue.attempts(job.id)
    found["progress"] = queue.get_progress(job.id)
    found["logs"] = queue.get_logs(job.id)
    found["parents"] = ask(queue, _KIN.format(other="parent_id", own="child_id"), [job.id])
    found["children"] = ask(queue, _KIN.format(other="child_id", own="parent_id"), [job.id])
    if job.task == COMMAND:
        found |= _command(queue, job)
    if job.status == "done":
        found |= _result(queue, job)
    elif job.completed_at is None:
        found["why"] = queue.why(job.id)["text"]
    return found


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else max(0.0, (end - start).total_seconds())


def _result(queue: DuckQueue, job: Job) -> dict[str, Any]:
    from queuack import PayloadError

    try:
        return {"result": queue.get_result(job.id)}
    except PayloadError as error:
        return {"result_error": str(error)}


def _command(queue: DuckQueue, job: Job) -> dict[str, Any]:
    from queuack_store.payload import decode_call

    from queuack import PayloadError

    rows = queue.sql(_PAYLOAD, [job.id])
    try:
        _, (command, folder), _ = decode_call(
            job.task, b"".join(part for (part,) in rows), queue.serialization, queue.allowed_modules
        )
    except (PayloadError, ValueError):
        return {}  # pickled, where nothing may be unpickled; or enqueued by hand
    return {"command": command, "folder": folder}


def _print(found: dict[str, Any]) -> None:
    moment = now()
    times = {
        "created": "created_at", "claimed": "claimed_at",
        "started": "started_at", "ended": "completed_at", "expires": "expires_at",
    }  # fmt: skip
    output.facts(
        [
            ("job", found["id"]),
            ("state", str(found["status"])),
            ("why", found.get("why")),
            ("task", found["task"]),
            ("command", join(found["command"]) if "command" in found else None),
            ("folder", found.get("folder")),
            ("node", found["node_name"]),
            ("run", found["dag_run_id"]),
            ("queue", f"{found['queue']}, priority {found['priority']}"),
            ("tags", ", ".join(found["tags"]) or None),
            ("attempts", f"{found['attempts']} of {found['max_attempts']}"),
            ("time-out", output.duration(found["timeout_seconds"])),
            ("worker", found["claimed_by"]),
            ("progress", _progress(found["progress"])),
            *((name, _moment(found[key], moment)) for name, key in times.items()),
            ("not before", _moment(found["execute_after"], moment) if found["status"] == "delayed" else None),
            ("waited", output.duration(found["waited_seconds"])),
            ("ran", output.duration(found["ran_seconds"])),
            ("error", found["error"]),
            ("skipped", found["skip_reason"]),
        ]
    )
    _print_attempts(found["attempt_rows"])
    if found["logs"]:
        output.say("\nlog", "bold")
        rows = [(line.attempt, line.logged_at, line.level, line.message) for line in found["logs"]]
        output.table(("#", "AT", "LEVEL", "MESSAGE"), rows)
    for title in ("parents", "children"):
        if found[title]:
            output.say(f"\n{title}", "bold")
            rows = [(kin["id"], kin["name"], kin["status"], kin["task"]) for kin in found[title]]
            output.table(("ID", "NAME", "STATE", "TASK"), rows)
    if found.get("result_error"):
        output.say(f"\nresult\n{found['result_error']}")
    elif found.get("result") is not None:
        output.say("\nresult", "bold")
        output.say_result(found["result"], whole=True)


def _moment(value: datetime | None, present: datetime) -> str | None:
    if value is None:
        return None
    seconds = (present - value).total_seconds()
    far = output.duration(abs(seconds))
    return f"{output.shown(value)} ({f'{far} ago' if seconds >= 0 else f'in {far}'})"


def _progress(said: JobProgress | None) -> str | None:
    if said is None:
        return None
    share = "" if said.fraction is None else f" ({said.fraction:.0%})"
    total = "" if said.total is None else f" of {said.total:g}"
    return f"{said.done:g}{total}{share}" + (f": {said.message}" if said.message else "")


def _print_attempts(attempts: list[dict[str, Any]]) -> None:
    if not attempts:
        return
    output.say("\nattempts", "bold")
    output.table(
        ("#", "OUTCOME", "WORKER", "STARTED", "RAN", "CPU", "MEMORY", "ERROR"),
        [
            (
                row["attempt"],
                row["outcome"],
                row["worker"],
                row["started_at"],
                output.duration(row["duration_seconds"]),
                output.duration(row["cpu_seconds"]),
                output.size(row["peak_rss_bytes"]),
                output.first_line(row["error"]),
            )
            for row in attempts
        ],
    )
    for row in attempts:
        if row["traceback"]:
            output.say(f"\nattempt {row['attempt']}", "bold")
            output.say(row["traceback"].rstrip("\n"))
