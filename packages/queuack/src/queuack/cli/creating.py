"""`init`, `enqueue` and `add`: a queue's file, and jobs in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from queuack.cli import output
from queuack.cli.exits import FAILED, CommandError
from queuack.cli.opening import opened
from queuack.cli.options import DEFAULT_DB, AsJson, Db, Serialization, Stored, json_of, seconds_of

if TYPE_CHECKING:
    from queuack import DuckQueue

QueueName = Annotated[str, typer.Option("--queue", "-q", help="The queue it goes to.")]
Priority = Annotated[int, typer.Option("--priority", "-p", help="0 to 100; higher runs sooner.")]
Delay = Annotated[str, typer.Option("--delay", help="Hold it back so long: 30s, 15m, 2h.")]
Timeout = Annotated[str, typer.Option("--timeout", help="Of one attempt: 90s, 2h; none for no limit.")]
After = Annotated[
    list[str] | None, typer.Option("--after", help="A job that must succeed first; repeatable.")
]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="A label for finding it again; repeatable.")]
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Wait for its end and print its result.")]


def init(db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Make the queue's file. Other commands that enqueue or work make it too."""
    there = db.exists()
    with opened(db, create=True) as queue:
        path = queue.db_path
    if as_json:
        output.print_json({"path": path, "created": not there})
        return
    output.say(f"{path} {'was there already' if there else 'is ready'}")
    if not there:
        at = "" if db == DEFAULT_DB else f" --db {db}"
        output.say(f"next:  queuack add{at} -- echo hello", "dim")
        output.say(f"       queuack worker{'' if db == DEFAULT_DB else f' {db}'}", "dim")


def enqueue(
    function: Annotated[str, typer.Argument(help="module:func; this folder is searched first.")],
    args: Annotated[str, typer.Option("--args", "-a", help="Arguments as a JSON array.")] = "[]",
    kwargs: Annotated[str, typer.Option("--kwargs", "-k", help="Named arguments as a JSON object.")] = "{}",
    queue_name: QueueName = "default",
    priority: Priority = 50,
    delay: Delay = "0",
    max_attempts: Annotated[int, typer.Option("--max-attempts", help="How often it may start.")] = 3,
    timeout: Timeout = "300s",
    after: After = None,
    mode: Annotated[
        str,
        typer.Option("--mode", help="Of --after: all or any must succeed, or always: however they end."),
    ] = "all",
    tag: Tags = None,
    wait: Wait = False,
    db: Db = DEFAULT_DB,
    serialization: Stored = Serialization.PICKLE,
    as_json: AsJson = False,
) -> None:
    """Enqueue a call of a Python function and print the job's id.

    queuack enqueue tasks:resize --args '["cat.png", 800]' --priority 80
    """
    call = json_of(args, "--args", list), json_of(kwargs, "--kwargs", dict)
    func = _function(function)
    with opened(db, create=True, serialization=serialization) as queue:
        job = queue.enqueue(
            func,
            *call,
            queue=queue_name,
            priority=priority,
            delay_seconds=seconds_of(delay),
            max_attempts=max_attempts,
            timeout_seconds=_limit(timeout),
            depends_on=after or None,
            dependency_mode=mode,
            tags=tag or (),
        )
        _report(queue, job, wait, as_json)


def add(
    command: Annotated[list[str], typer.Argument(help="The command; one argument is a line for the shell.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", "-C", help="Where it runs. Default: here.")
    ] = None,
    queue_name: QueueName = "default",
    priority: Priority = 50,
    delay: Delay = "0",
    max_attempts: Annotated[int, typer.Option("--max-attempts", help="How often it may start.")] = 1,
    timeout: Timeout = "none",
    after: After = None,
    tag: Tags = None,
    wait: Wait = False,
    db: Db = DEFAULT_DB,
    serialization: Stored = Serialization.PICKLE,
    as_json: AsJson = False,
) -> None:
    """Add a shell command as a job; its exit code and output are kept.

    queuack add -- make -j4 report
    queuack add --after JOB 'gzip *.csv && ls -l'
    """
    from queuack.shell import program_tag, run_command

    line = ["/bin/sh", "-c", command[0]] if len(command) == 1 else command
    where = os.path.abspath(folder or Path.cwd())
    if not os.path.isdir(where):
        raise CommandError(f"--folder {where} is no folder: make it first, or name the one to run in")
    with opened(db, create=True, serialization=serialization) as queue:
        job = queue.enqueue(
            run_command,
            (line, where),
            queue=queue_name,
            priority=priority,
            delay_seconds=seconds_of(delay),
            max_attempts=max_attempts,
            timeout_seconds=_limit(timeout),
            depends_on=after or None,
            tags=[program_tag(command), *(tag or ())],
        )
        _report(queue, job, wait, as_json)


def _function(name: str) -> Callable[..., Any]:
    from queuack_store.callables import resolve
    from queuack_store.errors import PayloadError

    if ":" not in name.strip(":"):
        raise CommandError(f"{name!r} names no function: write module:func, such as tasks:resize")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        func = resolve(name)
    except PayloadError as error:  # here as in a worker, but for the whole of sys.path
        text = str(error).partition("; sys.path is ")[0]
        raise CommandError(f"{text}; this folder and what is installed were searched") from None
    if not callable(func):
        raise CommandError(f"{name} is a {type(func).__name__}, not a function")
    return func


def _limit(text: str) -> float | None:
    return None if text.lower() == "none" else seconds_of(text)


def _report(queue: DuckQueue, job: str, wait: bool, as_json: bool) -> None:
    from queuack_store.errors import JobError

    if not wait:
        output.print_json({"id": job}) if as_json else output.say(job)
        return
    if sys.stderr.isatty():
        reason = queue.why(job)
        if reason["reason"] == "no_worker":
            sys.stderr.write(f"{reason['text']}, with `queuack worker`; job {job} waits for it\n")
    try:
        value = queue.wait(job)
    except JobError as error:
        if as_json:
            output.print_json({"id": job, "error": str(error), "traceback": error.traceback})
        elif error.traceback:
            sys.stderr.write(error.traceback.rstrip("\n") + "\n")
        raise CommandError(str(error), FAILED) from None
    if as_json:
        output.print_json({"id": job, "result": value})
    else:
        output.say_result(value)
