"""The table of contents of the command line: which commands there are, and in which group of the help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from queuack.cli import (
    creating,
    dags,
    doctoring,
    listing,
    managing,
    overview,
    querying,
    showing,
    top,
    upkeep,
    working,
)
from queuack.cli.examples import EXAMPLES

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every command takes --db (or $QUEUACK_DB) and --json. Exit codes: 0 done, 1 failed, "
    "2 wrong usage, 3 no such thing, 75 try again, 130 Ctrl-C.",
)

COMMANDS: dict[str, dict[str, Callable[..., None]]] = {
    "Jobs": {
        "init": creating.init,
        "add": creating.add,
        "enqueue": creating.enqueue,
        "jobs": listing.jobs,
        "show": showing.show,
        "why": showing.why,
        "retry": managing.retry,
        "cancel": managing.cancel,
        "purge": managing.purge,
    },
    "Queues": {
        "status": overview.status,
        "stats": overview.stats,
        "top": top.top,
        "pause": managing.pause,
        "resume": managing.resume,
        "worker": working.worker,
    },
    "History": {"sql": querying.sql, "export": upkeep.export, "backup": upkeep.backup},
    "Look after": {"doctor": doctoring.doctor, "repair": doctoring.repair},
}
_SETTINGS: dict[str, dict[str, Any]] = {
    "add": {"allow_interspersed_args": False},  # what follows the command belongs to it
    "worker": {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
}

for _panel, _commands in COMMANDS.items():
    for _name, _command in _commands.items():
        app.command(
            _name,
            rich_help_panel=_panel,
            context_settings=_SETTINGS.get(_name),
            epilog=f"Example: {EXAMPLES[_name]}",
        )(_command)
app.add_typer(dags.app, name="dag", rich_help_panel="History")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        for part in ("", "-store", "-worker", "-dag", "-stream", "-viz"):
            typer.echo(f"queuack{part} {version(f'queuack{part}')}")
        raise typer.Exit


@app.callback()
def start(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the versions and exit.")
    ] = False,
) -> None:
    """A job queue and workflow engine in one DuckDB file.

    [dim]queuack add -- echo hello[/]      a shell command as a job
    [dim]queuack enqueue tasks:resize[/]   a Python function as a job
    [dim]queuack worker[/]                 run them, in this folder
    [dim]queuack jobs[/]                   how they went
    """
