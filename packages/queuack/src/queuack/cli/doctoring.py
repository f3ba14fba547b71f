"""`doctor` and `repair`: what is wrong with a queue's file, and making it usable again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from queuack.cli import output
from queuack.cli.exits import FAILED, NOT_FOUND
from queuack.cli.opening import must_exist
from queuack.cli.options import DEFAULT_DB, AsJson, Db

if TYPE_CHECKING:
    from queuack import Diagnosis

_STYLES = {"problem": "red", "warning": "yellow", "info": "dim"}


def doctor(db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Examine the file, damaged or not: schema, integrity, journal, stuck work, disk. Changes nothing.

    Ends with 1 where there is a problem.
    """
    from queuack import doctor

    _print(doctor(db), as_json)


def repair(
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Also give up what can't be read; it says what.")
    ] = False,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Make a file usable that opening refuses. Copies are kept; without --accept-loss nothing is lost."""
    must_exist(db)
    from queuack import repair

    _print(repair(db, accept_loss), as_json)


def _print(found: Diagnosis, as_json: bool) -> None:
    if as_json:
        output.print_json(found.to_dict())
    else:
        output.facts([("file", found.path), *map(_fact, found.facts.items())])
        for title, lines in (("done", found.actions), ("lost", found.lost)):
            for line in lines:
                output.say(f"{title}: {line}")
        if found.copies:
            output.say(f"the files as they were: {found.copies}")
        for finding in found.findings:
            output.say(f"{finding.level}: {finding.message}", _STYLES[finding.level])
            if finding.advice:
                output.say(f"  {finding.advice}")
        if not found.findings:
            output.say("nothing is wrong with it", "green")
    if any(finding.code == "missing" for finding in found.findings):
        raise typer.Exit(NOT_FOUND)
    if not found.healthy:
        raise typer.Exit(FAILED)


def _fact(fact: tuple[str, Any]) -> tuple[str, Any]:
    name, value = fact
    if name.endswith("_bytes") and isinstance(value, int):
        return name.removesuffix("_bytes").replace("_", " "), output.size(value)
    if name == "retention_seconds":
        ages = [f"{status} {output.duration(seconds)}" for status, seconds in value.items()]
        return "retention", ", ".join(ages) or "none: what has ended stays"
    if isinstance(value, dict):
        value = ", ".join(f"{count:,} {key}" for key, count in value.items() if count) or "none"
    if isinstance(value, bool):
        value = "yes" if value else "no"
    return name.replace("_", " "), value
