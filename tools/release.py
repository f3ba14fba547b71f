"""Says what a release would do, package by package, in the order of publishing; it changes nothing.

Each package has its own version and its own tag, such as queuack-store-v0.1.0. A package is due when the
tag of its version is missing; what stands in the way is named.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Package:
    """One distribution as the working tree has it.

    changed: files of it that differ from its latest tag. needs: the other packages it depends on, each
    with its lower bound. heading: the newest section of its changelog; notes: that section's lines.
    """

    name: str
    version: str
    tag: str
    latest_tag: str | None
    tagged: bool
    changed: int
    needs: dict[str, str]
    heading: str
    notes: list[str]
    problems: list[str] = field(default_factory=list)

    @property
    def due(self) -> bool:
        """Whether a release would publish it."""
        return not self.tagged


def packages_of(root: Path) -> list[Package]:
    """Return the packages below `root`, those that others need first."""
    projects = {}
    for path in sorted(root.glob("packages/*/pyproject.toml")):
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        projects[project["name"]] = project
    found = {name: _package(root, name, project, projects.keys()) for name, project in projects.items()}
    for package in found.values():
        package.problems = _problems(package, found)
    ordered: list[Package] = []
    while len(ordered) < len(found):
        done = {package.name for package in ordered}
        ready = [p for p in found.values() if p.name not in done and p.needs.keys() <= done]
        if not ready:
            raise SystemExit(f"the packages need each other in a circle: {sorted(found.keys() - done)}")
        ordered += ready
    return ordered


def _package(root: Path, name: str, project: dict[str, Any], names: Any) -> Package:
    version = project["version"]
    tags = git(root, "tag", "--list", f"{name}-v*", "--sort=-version:refname").split()
    latest = tags[0] if tags else None
    since = [latest] if latest else []
    listing = ["diff", "--name-only", *since] if since else ["ls-files"]
    changed = git(root, *listing, "--", f"packages/{name}").split()
    needs = {}
    for text in project.get("dependencies", []):
        match = re.match(r"([A-Za-z0-9-]+)(.*)", text)
        if match and match[1] in names:
            needs[match[1]] = match[2]
    heading, notes = _newest(root / "packages" / name / "CHANGELOG.md")
    tag = f"{name}-v{version}"
    return Package(name, version, tag, latest, tag in tags, len(changed), needs, heading, notes)


def _newest(changelog: Path) -> tuple[str, list[str]]:
    sections = re.split(r"^## ", changelog.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    if not sections:
        return "", []
    heading, _, body = sections[0].partition("\n")
    return heading.strip(), [line for line in body.splitlines() if line.startswith(("* ", "- "))]


def _problems(package: Package, packages: dict[str, Package]) -> list[str]:
    found = []
    if package.tagged and package.changed:
        found.append(f"{package.changed} files changed since {package.tag}: raise its version")
    if package.due and not package.heading.startswith((package.version, f"[{package.version}]")):
        found.append(f"its changelog begins with {package.heading!r}: name that section {package.version}")
    for name, bound in package.needs.items():
        least = re.fullmatch(r">=([0-9.]+)", bound)
        if least is None:
            found.append(f"{name}{bound}: give a lower bound and nothing else")
        elif _parts(least[1]) > _parts(packages[name].version):
            found.append(f"{name}{bound}: there is only {packages[name].version}")
    return found


def _parts(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def git(root: Path, *arguments: str) -> str:
    """Ask git; return what it prints."""
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout


def show(package: Package) -> None:
    """Print one package."""
    if not package.due:
        state = "published, nothing to do" if not package.changed else "published, but changed since"
    else:
        state = f"would be published and tagged {package.tag}"
    print(f"{package.name} {package.version}: {state}")
    since = (
        f"{package.changed} files changed since {package.latest_tag}" if package.latest_tag else "no tag yet"
    )
    needs = ", ".join(f"{name}{bound}" for name, bound in package.needs.items())
    print(f"  {since}" + (f"; needs {needs}" if needs else ""))
    print(f"  changelog, {package.heading or 'empty'}: {len(package.notes)} entries")
    for line in package.notes[:3]:
        print(f"    {line}")
    if len(package.notes) > 3:
        print("    …")
    for problem in package.problems:
        print(f"  in the way: {problem}")


def main() -> int:
    """Print the plan; return the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true", help="print JSON")
    options.add_argument("--strict", action="store_true", help="exit with 1 where something is in the way")
    options.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    asked = options.parse_args()
    packages = packages_of(asked.root)
    if asked.json:
        print(json.dumps([{**asdict(package), "due": package.due} for package in packages], indent=2))
    else:
        for package in packages:
            show(package)
        due = [package for package in packages if package.due]
        print(f"\n{len(due)} of {len(packages)} packages would be published, in this order, by:")
        for package in due:
            print(f"  uv build --package {package.name} && twine upload && git tag {package.tag}")
        print("Nothing was changed.")
    return 1 if asked.strict and any(package.problems for package in packages) else 0


if __name__ == "__main__":
    sys.exit(main())
