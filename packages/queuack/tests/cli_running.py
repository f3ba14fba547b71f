"""Runs the command as a process of its own, and says what it answered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

COMMAND = [sys.executable, "-m", "queuack"]


class Answer(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Read standard output as JSON."""
        return json.loads(self.out)


Cli = Callable[..., Answer]


def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start the command as a process of its own."""
    pipe = subprocess.PIPE
    given = {"stdout": pipe, "stderr": pipe, "text": True, "env": dict(os.environ), **options}
    return subprocess.Popen([*COMMAND, *arguments], **given)
