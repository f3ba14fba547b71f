"""`make release` says what it would do, and does nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def release(root: Path, *options: str) -> tuple[int, str]:
    command = [sys.executable, str(ROOT / "tools/release.py"), "--root", str(root), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, done.stdout


def git(root: Path, *arguments: str) -> None:
    name = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *name, *arguments], cwd=root, capture_output=True, check=True)


def write(root: Path, name: str, version: str, needs: list[str], heading: str) -> None:
    folder = root / "packages" / name
    folder.mkdir(parents=True, exist_ok=True)
    project = f'[project]\nname = "{name}"\nversion = "{version}"\ndependencies = {json.dumps(needs)}\n'
    (folder / "pyproject.toml").write_text(project)
    (folder / "CHANGELOG.md").write_text(
        f"# Changelog\n\n## {heading}\n\n* one\n* two\n\n## 0.0.1\n\n* old\n"
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two packages, `b` on top of `a`; both are published."""
    write(tmp_path, "a", "1.2.0", [], "1.2.0 - 2024-05-01")
    write(tmp_path, "b", "0.3.0", ["a>=1.1", "other<3"], "0.3.0")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "all")
    git(tmp_path, "tag", "a-v1.2.0")
    git(tmp_path, "tag", "b-v0.3.0")
    return tmp_path


def plan(root: Path) -> tuple[int, dict[str, Any]]:
    code, out = release(root, "--json", "--strict")
    return code, {package["name"]: package for package in json.loads(out)}


def test_nothing_is_due_when_all_is_published(root: Path) -> None:
    code, found = plan(root)
    assert code == 0
    assert [(name, package["due"], package["changed"]) for name, package in found.items()] == [
        ("a", False, 0),
        ("b", False, 0),
    ]
    assert found["b"]["needs"] == {"a": ">=1.1"}
    assert found["a"]["notes"] == ["* one", "* two"]


def test_a_change_without_a_new_version_stands_in_the_way(root: Path) -> None:
    (root / "packages/b/new.py").write_text("")
    git(root, "add", ".")
    git(root, "commit", "-qm", "b changes")
    code, found = plan(root)
    assert code == 1
    assert found["a"]["problems"] == []
    assert "raise its version" in found["b"]["problems"][0]


def test_a_new_version_is_due_once_its_changelog_names_it(root: Path) -> None:
    write(root, "a", "1.10.0", [], "Unreleased")
    code, found = plan(root)
    assert (code, found["a"]["due"]) == (1, True)
    assert "'Unreleased'" in found["a"]["problems"][0]
    write(root, "a", "1.10.0", [], "1.10.0")
    code, found = plan(root)
    assert (code, found["a"]["tag"], found["a"]["latest_tag"]) == (0, "a-v1.10.0", "a-v1.2.0")
    assert "git tag a-v1.10.0" in release(root)[1]


@pytest.mark.parametrize(
    ("bound", "text"), [("a>=9", "there is only"), ("a==1.2.0", "lower bound"), ("a", "lower bound")]
)
def test_bounds_that_can_not_hold_stand_in_the_way(root: Path, bound: str, text: str) -> None:
    write(root, "b", "0.3.0", [bound], "0.3.0")
    code, found = plan(root)
    assert code == 1
    assert any(text in problem for problem in found["b"]["problems"])


def test_of_this_repository_it_names_all_six_and_changes_nothing() -> None:
    def state() -> list[str]:
        asked = (["status", "--porcelain"], ["tag"], ["rev-parse", "HEAD"])
        return [subprocess.check_output(["git", *words], cwd=ROOT, text=True) for words in asked]

    before = state()
    code, text = release(ROOT)
    assert (code, state()) == (0, before)
    order = [line.split()[0] for line in text.splitlines() if line.startswith("queuack")]
    assert sorted(order) == sorted(path.parent.name for path in ROOT.glob("packages/*/pyproject.toml"))
    assert order.index("queuack-store") < order.index("queuack-worker") < order.index("queuack-dag")
    assert order[-1] == "queuack"
