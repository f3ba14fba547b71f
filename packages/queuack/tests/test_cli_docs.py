"""docs/cli.md names every command, every exit code, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from queuack.cli import exits
from queuack.cli.app import COMMANDS
from queuack.cli.dags import app as dags

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")


def test_every_command_is_described() -> None:
    commands = {name for group in COMMANDS.values() for name in group}
    commands |= {f"dag {command.name or command.callback.__name__}" for command in dags.registered_commands}  # type: ignore[union-attr]
    described = set(re.findall(r"`queuack ((?:dag )?[a-z]+)", PAGE))
    assert described - {"sh"} == commands


def test_every_exit_code_is_described() -> None:
    codes = {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)} == codes


def test_the_example_of_each_command_is_a_call_of_it() -> None:
    import shlex

    from queuack.cli.app import app
    from queuack.cli.examples import EXAMPLES
    from typer.main import get_command

    commands: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    assert set(EXAMPLES) == set(commands) - {"dag"}
    for name, example in EXAMPLES.items():
        program, called, *arguments = shlex.split(example)
        assert (program, called) == ("queuack", name)
        assert example in commands[name].epilog
        with commands[name].make_context(name, arguments):  # an option it does not have is refused
            pass
