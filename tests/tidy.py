"""House rules that no linter knows; run by `make check`. Prints each breach; exits 1 where there is one."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
# No module bears an exported name: `from queuack_store import job` must give the decorator.
PACKAGES = {path.parent.name: path.parent for path in ROOT.glob("packages/*/src/*/__init__.py")}
BINARY = {".db", ".wal", ".xz", ".gz", ".png"}


def tracked(pattern: str) -> list[Path]:
    """Return the files git tracks that match a pattern."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [ROOT / line for line in listed.splitlines() if (ROOT / line).is_file()]


def breaches_of_file(path: Path) -> list[str]:
    """Return what is wrong with one source file."""
    text = path.read_text()
    name = path.relative_to(ROOT).as_posix()
    found = []
    lines = text.count("\n")
    if lines > MAX_FILE_LINES:
        found.append(f"{name}: {lines} lines; past {MAX_FILE_LINES} a file wants another room")
    tree = ast.parse(text)
    if text.strip() and ast.get_docstring(tree) is None:
        found.append(f"{name}: no caption (module docstring)")
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            if length > MAX_FUNCTION_LINES:
                found.append(f"{name}:{node.lineno}: {node.name} has {length} lines; split it")
    return found


def breaches_of_names() -> list[str]:
    """Return modules that bear an exported name."""
    found = []
    for package, folder in PACKAGES.items():
        tree = ast.parse((folder / "__init__.py").read_text())
        for node in tree.body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                exported = set(ast.literal_eval(node.value))
                modules = {path.stem for path in folder.glob("*.py")} | {
                    p.name for p in folder.iterdir() if p.is_dir()
                }
                found += [f"{package}: module {name!r} bears an exported name" for name in exported & modules]
                if list(ast.literal_eval(node.value)) != sorted(ast.literal_eval(node.value)):
                    found.append(f"{package}: __all__ is not sorted")
    return found


def breaches_of_words() -> list[str]:
    """Return places that name a path of some machine or a package index."""
    pattern = re.compile(r"/(?:root|work)/|pypi\.org|files\.pythonhosted")
    found = []
    for path in tracked("*"):
        if path.name == "uv.lock" or path == Path(__file__) or path.suffix in BINARY:
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            match = pattern.search(line)
            if match:
                found.append(f"{path.relative_to(ROOT)}:{number}: {match.group()!r} does not belong here")
    return found


def breaches_of_links() -> list[str]:
    """Return links of packages' READMEs that are dead on the page of a package index."""
    return [
        f"{path.relative_to(ROOT)}: {target!r} leads nowhere outside a clone; say in words where it lies"
        for path in tracked("packages/*/README.md")
        for target in re.findall(r"\]\((?!https?://|#)([^)]+)\)", path.read_text())
    ]


def main() -> int:
    """Look at everything; return the exit code."""
    found = breaches_of_names() + breaches_of_words() + breaches_of_links()
    for path in tracked("packages/*.py"):
        if "/src/" in path.as_posix():
            found += breaches_of_file(path)
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
