"""With which code the command ends, and how an error reads on standard error: one line, no traceback."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

OK = 0
FAILED = 1  # the file, its owner, or the job that was waited for
USAGE = 2  # the request is wrong: it must be changed
NOT_FOUND = 3  # no such file, job or run
TRY_AGAIN = 75  # a full queue, a busy file, a time-out: the same command may succeed later (EX_TEMPFAIL)
INTERRUPTED = 130
BROKEN_PIPE = 141  # who read the output has gone, as in `queuack jobs | head`


class CommandError(Exception):
    """What a command itself found wrong, with the code to end with."""

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(message)
        self.code = code


def code_of(error: Exception) -> int | None:
    """Return the exit code for an error that says all there is to know; None for one that is a bug."""
    from queuack_store.errors import InvalidRequestError, QueuackError

    if isinstance(error, CommandError):
        return error.code
    if isinstance(error, InvalidRequestError):
        return NOT_FOUND if isinstance(error, LookupError) else USAGE
    if isinstance(error, QueuackError):
        return TRY_AGAIN if error.retryable else FAILED
    if isinstance(error, OSError):
        return FAILED
    viz = sys.modules.get("queuack_viz.errors")  # nothing else can raise its error
    return USAGE if viz is not None and isinstance(error, viz.DiagramError) else None


def complain(message: object) -> None:
    """Write one line to standard error, whatever the message holds."""
    line = " ".join(str(message).split())
    try:
        sys.stderr.write(f"queuack: {line}\n")
    except (OSError, ValueError):
        pass  # nobody reads it


def reader_gone() -> NoReturn:
    """End because nobody reads the output any more; what is still buffered goes nowhere."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, sys.stdout.fileno())
    raise SystemExit(BROKEN_PIPE)
