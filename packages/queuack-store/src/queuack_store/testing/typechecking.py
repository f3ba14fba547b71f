"""What a type checker says of a program that uses the public names, asked of mypy itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def refused_lines(program: str, folder: Path) -> tuple[set[int], set[int], str]:
    """Check a program in strict mode, written to `folder`.

    Returns:
        the numbers of the lines that end with `# refused`, of those that mypy refused, and what it said.
    """
    path = folder / "program.py"
    path.write_text(program)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", path.name]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    wanted = {i for i, line in enumerate(program.splitlines(), 1) if line.endswith("# refused")}
    found = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    return wanted, found, done.stdout + done.stderr
