"""Fetches the pinned Mermaid from the npm registry and packs it, with its licence, into the package.

Run `python packages/queuack-viz/tools/pack_mermaid.py` after changing VERSION and INTEGRITY (the latter is
printed by `npm view mermaid@VERSION dist.integrity`). It needs npm. 11.x is what GitHub and Jupyter draw
with; 12.0 more than doubles the script, past what the wheel may hold. The texts draw with either.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path

VERSION = "11.17.2"
INTEGRITY = "sha512-V6K3C8EBdEsPFZXSKMJe6ppQOENxuHARr9GvHX4hh47lAbhMRD9qf4oEK7LoaRQxULMa80/qt5gHO73aCleBBg=="
MAX_BYTES = 1_500_000
TARGET = Path(__file__).parents[1] / "src" / "queuack_viz" / "vendor"


def fetch(folder: Path) -> Path:
    """The registry's archive of VERSION, refused unless its checksum is INTEGRITY."""
    subprocess.run(
        ["npm", "pack", "--silent", f"mermaid@{VERSION}", "--pack-destination", str(folder)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    archive = folder / f"mermaid-{VERSION}.tgz"
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != INTEGRITY:
        sys.exit(f"mermaid {VERSION}: the archive's checksum is {found}, not {INTEGRITY}; nothing was packed")
    return archive


def member(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as tar:
        file = tar.extractfile(f"package/{name}")
        if file is None:
            sys.exit(f"{archive.name} holds no file {name}; has the package's layout changed?")
        return file.read()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive = fetch(Path(folder))
        script, licence = member(archive, "dist/mermaid.min.js"), member(archive, "LICENSE")
    packed = zlib.compress(script, 9)
    if len(packed) > MAX_BYTES:
        sys.exit(f"mermaid {VERSION} packs to {len(packed):,} bytes; the wheel may hold {MAX_BYTES:,}")
    TARGET.mkdir(exist_ok=True)
    (TARGET / "mermaid.min.js.zlib").write_bytes(packed)
    (TARGET / "LICENSE.mermaid").write_bytes(licence)
    (TARGET / "VERSION.mermaid").write_text(VERSION + "\n")
    sys.stdout.write(f"mermaid {VERSION}: {len(script):,} bytes packed into {len(packed):,}\n")


if __name__ == "__main__":
    main()
