"""A `queuack-worker` that a test runs as a user would, and reads the log of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

WAIT_S = 60.0


class Command:
    """A running `queuack-worker`, and what it logs."""

    def __init__(self, folder: Path, *options: str, db: str | None = None) -> None:
        env = {**os.environ, "QUEUACK_DB": db} if db else dict(os.environ)
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from queuack_worker.cli import main; main()", *options],
            cwd=folder,
            env=env,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[dict[str, Any]] = []
        self.text = ""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.text += line
                try:
                    self.lines.append(json.loads(line))
                except ValueError:
                    pass
                self._changed.notify_all()

    def wait_for(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until the event was logged `count` times."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.lines if line.get("event") == event]

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= count, WAIT_S), self.text
            return found()

    def end(self) -> int:
        """Wait for its end; return the exit code."""
        code = self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        return code
