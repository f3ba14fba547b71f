"""`dag list`, `show`, `graph`, `gantt` and `resume`: runs of workflows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from queuack.cli import output
from queuack.cli.asking import ask, now
from queuack.cli.exits import NOT_FOUND, CommandError
from queuack.cli.opening import opened
from queuack.cli.options import DEFAULT_DB, AsJson, Db

if TYPE_CHECKING:
    from queuack import DAGRun, DuckQueue

app = typer.Typer(no_args_is_help=True, help="Runs of workflows: list, show, draw, resume.")

RunId = Annotated[
    str, typer.Argument(metavar="RUN", help="The run's id, or a DAG's name for its latest run.")
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write it there: .html (opens offline), .md or .mmd.")
]

_LIST = """
SELECT r.id, r.name, r.status, r.created_at, r.completed_at, r.total,
       count(j.id) FILTER (j.status = 'done') AS done, count(j.id) FILTER (j.status = 'failed') AS failed
FROM dag_runs r LEFT JOIN jobs j ON j.dag_run_id = r.id
WHERE r.parent_id IS NULL AND (? IS NULL OR r.name = ?)
GROUP BY ALL ORDER BY r.created_at DESC LIMIT ?
"""
_LATEST = "SELECT id FROM dag_runs WHERE name = ? AND parent_id IS NULL ORDER BY created_at DESC LIMIT 1"


@app.command("list")
def list_runs(
    name: Annotated[str | None, typer.Option("--name", help="Only of this DAG.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """List the runs of DAGs, the latest first."""
    with opened(db) as queue:
        runs = ask(queue, _LIST, [name, name, limit])
    if as_json:
        output.print_json(runs)
        return
    moment = now()
    columns = ("RUN", "NAME", "STATE", "DONE", "FAILED", "AGE", "TOOK")
    output.table(
        columns,
        [
            (
                run["id"],
                run["name"],
                run["status"],
                f"{run['done']}/{run['total']}",
                run["failed"],
                output.since(run["created_at"], moment),
                output.duration(_between(run["created_at"], run["completed_at"])),
            )
            for run in runs
        ],
    )


@app.command()
def show(run: RunId, db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Show a run: how it stands, and every node's state, time and error, sub-DAGs included."""
    with opened(db) as queue:
        found = _found(queue, run)
        shown: dict[str, Any] = {
            "id": found.dag_run_id,
            "name": found.name,
            "status": found.get_status(),
            "progress": found.get_progress(),
            "nodes": _nodes(found, ""),
        }
    if as_json:
        output.print_json(shown)
        return
    progress = ", ".join(f"{count} {state}" for state, count in shown["progress"].items() if count)
    names = {"name": "name", "id": "id", "state": "status"}
    output.facts([(name, str(shown[key])) for name, key in names.items()] + [("nodes", progress)])
    output.say("")
    rows = []
    for node in shown["nodes"]:
        took = output.duration(node["duration_seconds"])
        tries = f"{node['attempts']}/{node['max_attempts']}"
        note = output.first_line(node["error"] or node["skip_reason"])
        rows.append((node["path"], str(node["status"]), tries, took, node["id"], note))
    output.table(("NODE", "STATE", "TRIES", "TOOK", "JOB", "NOTE"), rows)


@app.command()
def graph(run: RunId, target: Output = None, db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Draw a run as a Mermaid flowchart, coloured by state."""
    with opened(db) as queue:
        found = _found(queue, run)
        text = found.export_mermaid(path=target)
        _drawn(found, text, target, as_json)


@app.command()
def gantt(run: RunId, target: Output = None, db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Draw when each node of a run waited and ran, as a Mermaid Gantt with the critical path."""
    with opened(db) as queue:
        found = _found(queue, run)
        text = found.export_gantt(path=target)
        _drawn(found, text, target, as_json)


@app.command()
def resume(run: RunId, db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Run again what failed, was cancelled or skipped; what is done stays. Workers do it."""
    with opened(db) as queue:
        found = _found(queue, run)
        count = found.resume()
    if as_json:
        output.print_json({"id": found.dag_run_id, "resumed": count})
    else:
        output.say(f"{output.counted(count, 'node')} of run {found.dag_run_id} came back")


def _found(queue: DuckQueue, run: str) -> DAGRun:
    from queuack import DAGRun, InvalidRequestError

    try:
        found = DAGRun(queue, run)
    except InvalidRequestError:  # no id: a name
        rows = ask(queue, _LATEST, [run])
        if not rows:
            raise CommandError(
                f"there is no run {run!r} in {queue.db_path}: see `queuack dag list`", NOT_FOUND
            ) from None
        return DAGRun(queue, rows[0]["id"])
    found.info()
    return found


def _nodes(run: DAGRun, prefix: str) -> list[dict[str, Any]]:
    inner = {}
    for child in run.get_subdags():
        job = child.get_parent_job()
        if job is not None:
            inner[job.id] = child
    nodes: list[dict[str, Any]] = []
    for node in run.get_jobs():
        path = f"{prefix}{node['name']}"
        nodes.append({"path": path, **node})
        if node["id"] in inner:
            nodes += _nodes(inner[node["id"]], f"{path}/")
    return nodes


def _drawn(run: DAGRun, text: str, target: Path | None, as_json: bool) -> None:
    if as_json:
        output.print_json({"id": run.dag_run_id, "path": target and str(target), "mermaid": text})
    elif target is None:
        output.write(text)
    else:
        output.say(str(target))


def _between(start: Any, end: Any) -> float | None:
    return None if end is None else (end - start).total_seconds()
