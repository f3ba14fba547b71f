"""The table of contents of the command line: which commands there are, and in which group of the help."""

from __future__ import annotations

from typing import Annotated

import typer

from queuack.cli import creating, dags, listing, managing, overview, querying, showing, top, working

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every command takes --db (or $QUEUACK_DB) and --json. Exit codes: 0 done, 1 failed, "
    "2 wrong usage, 3 no such thing, 75 try again, 130 Ctrl-C.",
)

ASKING, CHANGING, HISTORY, UPKEEP = "See", "Change", "History", "Look after"

app.command("init", rich_help_panel=CHANGING)(creating.init)
app.command("enqueue", rich_help_panel=CHANGING)(creating.enqueue)
app.command("add", rich_help_panel=CHANGING, context_settings={"allow_interspersed_args": False})(
    creating.add
)
app.command("retry", rich_help_panel=CHANGING)(managing.retry)
app.command("cancel", rich_help_panel=CHANGING)(managing.cancel)
app.command("purge", rich_help_panel=CHANGING)(managing.purge)
app.command("pause", rich_help_panel=CHANGING)(managing.pause)
app.command("resume", rich_help_panel=CHANGING)(managing.resume)

app.command("status", rich_help_panel=ASKING)(overview.status)
app.command("stats", rich_help_panel=ASKING)(overview.stats)
app.command("top", rich_help_panel=ASKING)(top.top)
app.command("jobs", rich_help_panel=ASKING)(listing.jobs)
app.command("show", rich_help_panel=ASKING)(showing.show)
app.command("why", rich_help_panel=ASKING)(showing.why)
app.command("sql", rich_help_panel=HISTORY)(querying.sql)

app.add_typer(dags.app, name="dag", rich_help_panel=HISTORY)
app.command(
    "worker",
    rich_help_panel="Run",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)(working.worker)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        for name in (
            "queuack",
            "queuack-store",
            "queuack-worker",
            "queuack-dag",
            "queuack-stream",
            "queuack-viz",
        ):
            typer.echo(f"{name} {version(name)}")
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
