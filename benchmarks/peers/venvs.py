"""A venv for each peer, so that no two share a dependency; kept between runs."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "build" / "peers"


def python_of(packages: tuple[str, ...]) -> str:
    """Return the Python of a venv that has these packages, making it where there is none.

    Without packages: the Python that runs this, which has queuack.
    """
    if not packages:
        return sys.executable
    key = hashlib.sha256("\n".join(packages).encode()).hexdigest()[:12]
    folder = HOME / f"{packages[0].split('[')[0].split('=')[0].split('<')[0].rsplit('/')[-1]}-{key}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"installing {', '.join(packages)}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, *packages], check=True, capture_output=True, text=True)
        (folder / "ready").touch()
    return str(python)
