"""`jobs`: which jobs there are, by state, queue, task, age, error, tag and run."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer
from queuack_store.states import JobStatus

from queuack.cli import output
from queuack.cli.asking import ask, now
from queuack.cli.opening import opened
from queuack.cli.options import DEFAULT_DB, AsJson, Db, seconds_of

COLUMNS = (
    "id", "status", "queue", "task", "priority", "attempts", "max_attempts", "created_at", "execute_after",
    "started_at", "completed_at", "claimed_by", "error", "skip_reason", "node_name", "dag_run_id", "tags",
)  # fmt: skip

COMMAND = "queuack.shell:run_command"  # what `add` enqueues; its first tag is the program


def jobs(
    state: Annotated[
        list[JobStatus] | None,
        typer.Option("--state", "--status", "-s", help="Only in this state; repeatable."),
    ] = None,
    queue_name: Annotated[
        list[str] | None, typer.Option("--queue", "-q", help="Only of this queue; repeatable.")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", "-t", help="Whose task contains this text.")] = None,
    error: Annotated[
        str | None, typer.Option("--error", "-e", help="Whose error contains this text.")
    ] = None,
    older: Annotated[str | None, typer.Option("--older", help="Enqueued longer ago: 15m, 2h, 7d.")] = None,
    newer: Annotated[str | None, typer.Option("--newer", help="Enqueued since: 15m, 2h, 7d.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="With this tag.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="Of this run of a DAG (its id).")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000_000, help="At most so many.")] = 50,
    ids: Annotated[bool, typer.Option("--ids", help="Print only their ids, for xargs.")] = False,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """List jobs, the latest first.

    queuack jobs --state failed --error timeout --newer 2h
    """
    where, params = _conditions(state, queue_name, task, error, older, newer, tag, run)
    query = f"SELECT {', '.join(COLUMNS)} FROM jobs {where} ORDER BY seq DESC LIMIT ?"
    with opened(db) as queue:
        found = ask(queue, query, [*params, limit + 1])
    shown = found[:limit]
    if as_json:
        output.print_json(shown)
        return
    if ids:
        output.write("".join(f"{job['id']}\n" for job in shown))
        return
    columns = ("ID", "STATE", "QUEUE", "TASK", "PRIORITY", "TRIES", "AGE", "NOTE")
    output.table(columns, [_row(job) for job in shown])
    if len(found) > limit:
        output.say(f"more than {limit:,}: see on with --limit", "dim")


def _conditions(
    states: list[JobStatus] | None,
    queues: list[str] | None,
    task: str | None,
    error: str | None,
    older: str | None,
    newer: str | None,
    tag: str | None,
    run: str | None,
) -> tuple[str, list[Any]]:
    from queuack_store.ids import to_raw, to_text

    parts: list[tuple[str, Any]] = []
    if states:
        parts.append(("list_contains(?, status)", [state.value for state in states]))
    if queues:
        parts.append(("list_contains(?, queue)", queues))
    if task is not None:
        parts.append(("contains(lower(task), lower(?))", task))
    if error is not None:
        parts.append(("contains(lower(coalesce(error, '')), lower(?))", error))
    if older is not None:
        parts.append(("created_at < ?", now() - timedelta(seconds=seconds_of(older))))
    if newer is not None:
        parts.append(("created_at >= ?", now() - timedelta(seconds=seconds_of(newer))))
    if tag is not None:
        parts.append(("list_contains(tags, ?)", tag))
    if run is not None:
        parts.append(("dag_run_id = ?::UUID", to_text(to_raw(run, "run id"))))
    conditions = " AND ".join(text for text, _ in parts)
    return (f"WHERE {conditions}" if parts else ""), [value for _, value in parts]


def _row(job: dict[str, Any]) -> tuple[Any, ...]:
    tries = f"{job['attempts']}/{job['max_attempts']}"
    name = f"$ {job['tags'][0]} …" if job["task"] == COMMAND and job["tags"] else job["task"]
    if job["node_name"]:
        name += f" ({job['node_name']})"
    note = output.first_line(job["error"] or job["skip_reason"])
    if note is None and job["status"] == "claimed":
        note = f"on {job['claimed_by']}"
    age = output.since(job["created_at"], now())
    return job["id"], job["status"], job["queue"], name, job["priority"], tries, age, note
