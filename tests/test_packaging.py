"""The six distributions as users get them: built once, looked into, and installed into empty environments."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(path.parent.name for path in ROOT.glob("packages/*/pyproject.toml"))
ALONE = {
    "queuack-store": {"queuack-store"},
    "queuack-worker": {"queuack-worker", "queuack-store"},
    "queuack-dag": {"queuack-dag", "queuack-worker", "queuack-store", "queuack-viz"},
    "queuack-stream": {"queuack-stream"},
    "queuack-viz": {"queuack-viz"},
    "queuack": set(PACKAGES),
    "queuack[parquet]": set(PACKAGES),
}
# What each can do with nothing else around.
SMOKE = {
    "queuack-store": """
from queuack_store import DuckQueue
with DuckQueue("jobs.db") as queue:
    job = queue.enqueue(pow, (2, 5))
    claimed = queue.claim()
    queue.ack(claimed, result=claimed.execute())
    assert queue.wait(job) == 32
    assert queue.sql("SELECT count(*) FROM jobs").fetchall() == [(1,)]
""",
    "queuack-worker": """
from queuack_store import DuckQueue
with DuckQueue("jobs.db", workers_num=1) as queue:
    assert queue.wait(queue.enqueue(pow, (2, 5)), 60) == 32
""",
    "queuack-dag": """
from queuack_store import DuckQueue
with DuckQueue(":memory:") as queue:
    with queue.dag("d") as dag:
        dag.add_node(pow, "a", args=(2, 5))
        dag.add_node(lambda context: context.upstream("a") + 1, "b", depends_on="a")
    assert dag.execute() and dag.results()["b"] == 33
    dag.export_mermaid(path="d.html")
""",
    "queuack-stream": """
from queuack_stream import StreamReader, StreamWriter
assert StreamWriter("a.parquet").write({"n": n} for n in range(1000)) == 1000
assert sum(row["n"] for row in StreamReader("a.parquet")) == 499500
""",
    "queuack-viz": """
from queuack_viz import Diagram, Edge, Node, draw_flowchart
drawing = draw_flowchart(Diagram([Node("a", status="done"), Node("b")], [Edge("a", "b")]))
assert len(drawing.html()) > 1_000_000
""",
    "queuack": """
import queuack
assert all(getattr(queuack, name) for name in queuack.__all__)
with queuack.DuckQueue("jobs.db", workers_num=1) as queue:
    assert queue.wait(queue.enqueue(pow, (2, 5)), 60) == 32
""",
}
SMOKE["queuack[parquet]"] = SMOKE["queuack-stream"]


def uv(*arguments: str, cwd: Path = ROOT) -> str:
    """Run uv, as `make` has it; return its output."""
    found = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".uv/bin/uv")
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    done = subprocess.run(
        [found, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel of each package, made from its source archive; that lies beside it."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--quiet", "--all-packages", "--out-dir", str(folder))
    wheels = {path.name.split("-")[0].replace("_", "-"): path for path in folder.glob("*.whl")}
    assert sorted(wheels) == PACKAGES
    constraints = [f"{name} @ {path.as_uri()}" for name, path in wheels.items()]
    (folder / "constraints.txt").write_text("\n".join(constraints))  # these wheels, not an index's
    return wheels


@pytest.mark.parametrize("package", PACKAGES)
def test_a_wheel_and_its_source_hold_all_that_belongs_to_the_package(
    built: dict[str, Path], package: str
) -> None:
    wheel = built[package]
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    source = ROOT / "packages" / package / "src"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."],
        cwd=source, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    tracked = {name for name in listed if (source / name).is_file()}
    module = package.replace("-", "_")
    assert {f"{module}/py.typed", f"{module}/__init__.py"} <= tracked
    assert tracked <= inside
    metadata = {name for name in inside if ".dist-info/" in name}
    assert inside - metadata == tracked
    assert any(name.endswith("licenses/LICENSE") for name in metadata)
    (archive_path,) = wheel.parent.glob(f"{module}-[0-9]*.tar.gz")
    with tarfile.open(archive_path) as sources:
        names = {name.partition("/")[2] for name in sources.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml"} <= names


def test_dependencies_between_the_packages_have_lower_bounds_only(built: dict[str, Path]) -> None:
    versions = {package: built[package].name.split("-")[1] for package in PACKAGES}
    for package in PACKAGES:
        for requirement in map(Requirement, _metadata(built[package]).get_all("Requires-Dist", [])):
            bounds = list(requirement.specifier)
            assert bounds, f"{package} takes any {requirement.name}"
            if requirement.name in versions:
                assert [bound.operator for bound in bounds] == [">="], f"{package}: {requirement}"
                assert versions[requirement.name] in requirement.specifier, f"{package}: {requirement}"


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def test_the_archives_pass_the_index_own_check(built: dict[str, Path]) -> None:
    files = [str(path) for path in built["queuack"].parent.glob("*") if path.suffix in (".whl", ".gz")]
    assert len(files) == 2 * len(PACKAGES)
    said = uv(
        "run", "--frozen", "--isolated", "--only-group", "release", "twine", "check", "--strict", *files
    )
    assert said.count("PASSED") == len(files), said


@pytest.mark.parametrize("wanted", ALONE)
def test_it_works_alone(built: dict[str, Path], tmp_path: Path, wanted: str) -> None:
    name = wanted.partition("[")[0]
    environment = tmp_path / "env"
    uv("venv", "--quiet", "--python", sys.executable, str(environment))
    constraints = built[name].parent / "constraints.txt"
    extra = wanted[len(name) :]
    uv(
        "pip", "install", "--quiet", "--python", str(environment), "--constraints", str(constraints),
        f"{name}{extra} @ {built[name].as_uri()}",
    )  # fmt: skip
    installed = uv("pip", "list", "--python", str(environment), "--format", "freeze").split()
    names = {re.split("[=@ ]", line)[0] for line in installed}
    assert {found for found in names if found.startswith("queuack")} == ALONE[wanted]
    if name == "queuack-viz":
        assert names == {name}
    if name == "queuack-stream":
        assert names == {name, "pyarrow", "msgspec"}
    work = tmp_path / "work"
    work.mkdir()
    run(environment, work, "python", "-I", "-c", SMOKE[wanted])
    if wanted == "queuack":
        assert run(environment, work, "queuack", "stats", "--db", "jobs.db", "--json").startswith("{")
        assert "--processes" in run(environment, work, "queuack-worker", "--help")
    elif name == "queuack-store":
        text = "import sys, queuack_store.queue\nqueuack_store.DuckQueue('b.db').start_workers()"
        with pytest.raises(AssertionError, match="pip install queuack-worker"):
            run(environment, work, "python", "-I", "-c", text)


def run(environment: Path, folder: Path, program: str, *arguments: str) -> str:
    """Run a program of an environment, with nothing of this one."""
    done = subprocess.run(
        [str(environment / "bin" / program), *arguments],
        cwd=folder, env={"PATH": os.defpath, "HOME": str(folder)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
