"""The command `queuack-worker`: a pool of processes on one queue file."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from queuack_store.errors import InvalidRequestError, QueuackError

from queuack_worker.events import Events, log, to_log
from queuack_worker.options import WorkerOptions, limits_of, settings_with
from queuack_worker.settings import (
    DEFAULT_DB,
    DEFAULT_METRICS_PORT,
    Settings,
    default_worker_id,
    parse_queue_option,
    parse_queues,
    positive,
)

EXIT_FAILED, EXIT_USAGE, EXIT_TWICE = 1, 2, 130
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

if TYPE_CHECKING:
    from queuack_worker.resources import Limits

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def work(
    db: Annotated[
        str | None, typer.Argument(help="The queue's file. Default: $QUEUACK_DB, else duckqueue.db here.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option("--processes", "-p", help="Child processes. Default: the cores.")
    ] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", "-c", help="Threads per child.")] = 1,
    queues: Annotated[
        str, typer.Option("--queues", "-q", help="Names with weights: high:100,default:50,low:10")
    ] = "default",
    ageing: Annotated[
        float | None, typer.Option(help="Seconds after which a waiting job goes before heavier queues.")
    ] = None,
    app_path: Annotated[
        list[Path] | None, typer.Option("--app", help="Folder to import job functions from; repeatable.")
    ] = None,
    async_concurrency: Annotated[int, typer.Option(help="Coroutine jobs at once per child.")] = 100,
    shutdown_timeout: Annotated[
        float, typer.Option(help="Seconds that running jobs get at shutdown.")
    ] = 30.0,
    grace: Annotated[
        float, typer.Option(help="Seconds an interrupted job gets before its process is killed.")
    ] = 5.0,
    claim_timeout: Annotated[
        float, typer.Option(help="Seconds of silence after which a hung process loses its jobs.")
    ] = 15.0,
    max_jobs_per_child: Annotated[
        int | None, typer.Option(help="Replace a child after so many jobs.")
    ] = None,
    max_memory_per_child: Annotated[
        str | None, typer.Option(help="Replace a child that holds more, such as 512M, between jobs.")
    ] = None,
    max_memory_per_job: Annotated[
        str | None, typer.Option(help="Memory a job may take, such as 1G (address space).")
    ] = None,
    max_memory_percent: Annotated[
        float | None, typer.Option(help="Claim nothing while the machine uses more memory.")
    ] = None,
    max_load: Annotated[float | None, typer.Option(help="... while the load per core is higher.")] = None,
    min_disk_free: Annotated[
        str | None, typer.Option(help="... while the file's disk has less free, such as 1G.")
    ] = None,
    serialization: Annotated[
        str, typer.Option(help="pickle, or json_ref: never unpickle.", envvar="QUEUACK_SERIALIZATION")
    ] = "pickle",
    allowed_modules: Annotated[
        str | None, typer.Option(help="With json_ref: modules whose functions may run, by commas.")
    ] = None,
    worker_id: Annotated[str | None, typer.Option(help="A label for lists and logs.")] = None,
    on_start: Annotated[
        str | None, typer.Option(help="Hook, module:function: called when an attempt starts.")
    ] = None,
    on_success: Annotated[str | None, typer.Option(help="... when one succeeds.")] = None,
    on_failure: Annotated[str | None, typer.Option(help="... when one fails.")] = None,
    on_death: Annotated[str | None, typer.Option(help="... when a job has failed for good.")] = None,
    metrics_port: Annotated[
        int, typer.Option(help="Where /metrics, /livez and /readyz are; 0: any free port.", max=65_535, min=0)
    ] = DEFAULT_METRICS_PORT,
    metrics_host: Annotated[str, typer.Option(help="The address they are served on.")] = "127.0.0.1",
    metrics: Annotated[bool, typer.Option(help="Serve them at all.")] = True,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    log_format: Annotated[
        str, typer.Option(help="auto, console or json; auto: console on a terminal.")
    ] = "auto",
) -> None:
    """Run the jobs of a queue in child processes until SIGTERM or SIGINT.

    `queuack-worker status [DB]` shows what the workers of a queue do
    (a file of that name: ./status).

    The first signal drains: nothing more is claimed, what has not started goes
    back, running jobs finish. A second one stops at once. Exit codes: 0 after a
    drain, 1 failure, 2 bad usage, 130 after a second signal.
    """
    from queuack_worker.logs import FORMATS, configure

    if log_level not in LEVELS or log_format not in FORMATS:
        raise InvalidRequestError(
            f"--log-level is one of {', '.join(LEVELS)}; --log-format one of {', '.join(FORMATS)}"
        )
    path = _place(db or os.environ.get("QUEUACK_DB") or DEFAULT_DB)
    settings = Settings(
        queues=parse_queues(parse_queue_option(queues), "default"),
        worker_id=worker_id or default_worker_id(),
        concurrency=positive("--concurrency", concurrency),
    )
    options: WorkerOptions = {
        "async_concurrency": async_concurrency,
        "ageing": ageing,
        "shutdown_timeout": shutdown_timeout,
        "grace": grace,
        "claim_timeout": claim_timeout,
        "max_memory_percent": max_memory_percent,
        "max_load": max_load,
        "min_disk_free": min_disk_free,
        "max_jobs_per_child": max_jobs_per_child,
        "max_memory_per_child": max_memory_per_child,
        "max_memory_per_job": max_memory_per_job,
        "on_start": on_start,
        "on_success": on_success,
        "on_failure": on_failure,
        "on_death": on_death,
    }
    configure(LEVELS[log_level], log_format)
    try:
        run_pool(
            path,
            settings_with(settings, options, processes=True, spell=_flag),
            positive("--processes", processes if processes is not None else os.cpu_count() or 1),
            [*map(_importable, app_path or []), os.getcwd()],
            limits_of(options, path, _flag),
            serialization,
            allowed_modules.split(",") if allowed_modules else None,
            LEVELS[log_level],
            log_format,
            (metrics_host, metrics_port) if metrics else None,
        )
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_TWICE) from None


def _place(db: str) -> str:
    if db == ":memory:":
        raise InvalidRequestError(
            "a queue in memory is private to its process, and jobs run in child processes: name a file, or "
            "run a WorkerPool in the program that has the queue"
        )
    return db if "://" in db else os.path.abspath(db)  # a URL is for DuckQueue to judge


def _importable(path: Path) -> str:
    if not path.exists():
        raise InvalidRequestError(f"--app {path}: there is no such folder to import job functions from")
    return str(path.resolve())


def _flag(option: str) -> str:
    return "--" + option.replace("_", "-")


def run_pool(
    path: str,
    settings: Settings,
    processes: int,
    app_path: list[str],
    limits: Limits | None,
    serialization: str,
    allowed_modules: list[str] | None,
    log_level: int = logging.INFO,
    log_format: str = "auto",
    metrics_at: tuple[str, int] | None = None,
) -> None:
    """Run the pool in this process until it was told to stop.

    `metrics_at` is where metrics and health are served (host, port), None for nowhere.

    Raises:
        KeyboardInterrupt: after a second signal. QueuackError: it can't run.
    """
    import threading

    from queuack_store.queue import DuckQueue

    from queuack_worker.stopping import StopSignals
    from queuack_worker.supervisor import Supervisor

    events = Events()
    events.subscribe(to_log)
    stop = threading.Event()
    with (
        ExitStack() as stack,
        StopSignals(stop) as signals,
        DuckQueue(
            path,
            default_queue=settings.queues[0][0],
            serialization=serialization,
            allowed_modules=allowed_modules,
        ) as queue,
    ):
        supervisor = Supervisor(queue, settings, processes, app_path, events, limits, log_level, log_format)
        signals.on_second(supervisor.stop_now)
        log.info(
            "%d %s on %s, queues %s",
            processes,
            "process" if processes == 1 else "processes",
            path,
            ", ".join(f"{n}:{w}" for n, w in settings.queues),
        )
        if metrics_at is not None:
            from queuack_worker.monitoring import Monitor

            stack.callback(Monitor(supervisor, queue, *metrics_at).close)
        supervisor.run(stop)
    signals.raise_second()


def main() -> None:
    """Run the command and exit with its code."""
    arguments, chosen, name = sys.argv[1:], app, os.path.basename(sys.argv[0])
    if arguments[:1] == ["status"]:
        from queuack_worker.status import app as chosen

        arguments, name = arguments[1:], f"{name} status"
    try:
        chosen(arguments, prog_name=name, standalone_mode=True)
    except InvalidRequestError as error:
        sys.stderr.write(f"queuack-worker: {error}\n")
        raise SystemExit(EXIT_USAGE) from None
    except QueuackError as error:
        sys.stderr.write(f"queuack-worker: {error}\n")
        raise SystemExit(EXIT_FAILED) from None


if __name__ == "__main__":
    main()
