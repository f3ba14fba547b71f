"""Every example runs as a reader would run it, and prints what its last lines say; each README lists all.

An example ends with `# Output:` and the lines it prints, in which `…` stands for any text, and a line of `…`
alone for any lines.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FOLDERS = [
    "01_basic",
    "02_workers",
    "03_dag_workflows",
    "04_real_world",
    "05_advanced",
    "06_integration",
    "07_mlops",
]
SCRIPTS = sorted(EXAMPLES.glob("0*/[0-9]*.py"))
NAMES = [path.relative_to(EXAMPLES).with_suffix("").as_posix() for path in SCRIPTS]


def expected(path: Path) -> re.Pattern[str]:
    """What an example says it prints, as a pattern for all of its output."""
    _, mark, tail = path.read_text().rpartition("\n# Output:\n")
    assert mark, f"{path.name} does not say what it prints: end it with '# Output:' and the lines"
    lines = [line.removeprefix("#").removeprefix(" ") for line in tail.splitlines()]
    assert any(line.strip("… ") for line in lines), f"{path.name} says nothing about what it prints"
    parts = [r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*?") + r"\n" for line in lines]
    return re.compile("".join(parts))


@pytest.mark.parametrize("path", SCRIPTS, ids=NAMES)
def test_an_example_prints_what_it_says(path: Path, tmp_path: Path) -> None:
    needs(path)
    commands = sysconfig.get_path("scripts")
    run = subprocess.run(
        [sys.executable, str(path)],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        stdin=subprocess.DEVNULL,
    )
    said = f"{run.stdout}\n--- stderr\n{run.stderr}"
    assert run.returncode == 0, said
    assert "Traceback" not in run.stderr, said
    assert expected(path).fullmatch(run.stdout.rstrip("\n") + "\n"), said


def needs(path: Path) -> None:
    """Skip where the dependency group `examples` is not installed."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            top = name.partition(".")[0]
            if top in {"bs4", "django", "fastapi", "flask", "httpx", "numpy", "PIL", "sklearn", "uvicorn"}:
                pytest.importorskip(top, reason=f"{top} is in the dependency group examples")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_readme_lists_every_example_of_its_folder_in_order(folder: str) -> None:
    rows = (EXAMPLES / folder / "README.md").read_text()
    listed = re.findall(r"^\| \[(\S+)\]\((\S+)\) \| (.*) \|$", rows, re.MULTILINE)
    scripts = sorted((EXAMPLES / folder).glob("[0-9]*.py"))
    captions = [(ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0] for path in scripts]
    assert listed == [(path.name, path.name, text) for path, text in zip(scripts, captions, strict=True)]


def test_prometheus_takes_the_configuration_of_the_example(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("prometheus is not installed")
    shutil.copy(EXAMPLES / "06_integration/prometheus_grafana/prometheus.yml", tmp_path)
    shutil.copy(EXAMPLES.parent / "docs/observability/alerts.yml", tmp_path)
    command = [promtool, "check", "config", str(tmp_path / "prometheus.yml")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    compose = yaml.safe_load((EXAMPLES / "06_integration/prometheus_grafana/compose.yaml").read_text())
    for service in compose["services"].values():
        for volume in service["volumes"]:
            here = EXAMPLES / "06_integration/prometheus_grafana" / volume.partition(":")[0]
            assert here.exists(), volume


def test_there_are_examples_of_everything() -> None:
    assert sorted(path.name for path in EXAMPLES.glob("0*")) == FOLDERS
    assert len(SCRIPTS) >= 30
    assert "04_real_world/07_streaming_etl" in NAMES
