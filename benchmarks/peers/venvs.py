"""A venv for each peer, so that no two share a dependency; kept between runs.

`locks/` has what each of them brings, as it was when all of them ran; without it, a release of tomorrow may
keep one from starting. To take newer ones: delete its file, run, and write it anew with `pip freeze`.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "build" / "peers"
LOCKS = Path(__file__).parent / "locks"


class NotInstalled(Exception):
    """A peer's packages can't be had here: the last line of what the installer said."""


def python_of(packages: tuple[str, ...]) -> str:
    """Return the Python of a venv that has these packages, making it where there is none.

    Without packages: the Python that runs this, which has queuack. A path is installed so that it stays
    what the folder holds.
    """
    if not packages:
        return sys.executable
    name = packages[0].split("[")[0].split("=")[0].split("<")[0]
    lock = LOCKS / f"{name}.txt"
    locked = lock.read_text() if lock.exists() else ""
    key = hashlib.sha256("\n".join([*packages, locked]).encode()).hexdigest()[:12]
    folder = HOME / f"{name}-{key}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"installing {', '.join(packages)}", flush=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        pip += ["-c", str(lock)] if locked else []
        _run(pip + [part for one in packages for part in (("-e", one) if one.startswith("/") else (one,))])
        (folder / "ready").touch()
    return str(python)


def _run(command: list[str]) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = (ended.stderr or ended.stdout).strip().splitlines() or ["nothing said"]
        raise NotInstalled(f"its packages can't be installed: {said[-1]}")
