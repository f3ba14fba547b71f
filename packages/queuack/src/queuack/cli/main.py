"""The entry point: runs the command and turns every ending into an exit code. Loads nothing by itself."""

from __future__ import annotations

import sys
from typing import Any


def main() -> None:
    """Run `queuack` with the process's arguments and exit with its code."""
    try:
        _run()
    except KeyboardInterrupt:
        from queuack.cli.exits import INTERRUPTED

        raise SystemExit(INTERRUPTED) from None


def _run() -> None:
    from queuack.cli import exits
    from queuack.cli.app import app

    _quiet()
    try:
        try:
            app(prog_name="queuack")
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        exits.reader_gone()
    except Exception as error:
        code = exits.code_of(error)
        if code is None:
            raise
        exits.complain(error)
        raise SystemExit(code) from None


def _quiet() -> None:
    """Show warnings as lines of this command, and leave the library's own log lines out."""
    import logging
    import warnings

    from queuack.cli.exits import complain

    def show(message: Warning | str, *_rest: Any, **_more: Any) -> None:
        complain(f"warning: {message}")

    warnings.showwarning = show
    logging.getLogger("queuack").addHandler(logging.NullHandler())


if __name__ == "__main__":
    main()
