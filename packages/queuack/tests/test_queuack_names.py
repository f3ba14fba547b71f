"""The umbrella's names: pinned, the packages' own objects, lazy, and seen by a type checker."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import queuack

PACKAGES = ["queuack_store", "queuack_worker", "queuack_dag", "queuack_viz", "queuack_stream"]
# What users type. A name may be added here, and is taken away only with a major version.
CONTRACT = """
    BackpressureError ClaimLostError DAG DAGRun DAGRunStatus DAGValidationError DependencyMode Diagnosis
    DuckQueue Finding Job JobCancelledError JobFailedError JobSkippedError JobStatus MermaidColorScheme
    NodeStatus StoreClosedError StreamReader StreamWriter TaskContext UnknownJobError Worker WorkerPool
    async_generator_task async_task close_default_queue doctor draw_flowchart generator_task get_context
    get_default_queue job repair retry_task streaming_task timed_task
"""
HEAVY = {"duckdb", "pyarrow", "networkx", "asyncio", "typer", "rich", "msgspec", "pandas", "polars", "numpy"}


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_promised_is_there() -> None:
    assert set(CONTRACT.split()) <= set(queuack.__all__)


def test_it_exports_all_of_every_package_and_nothing_else() -> None:
    everything = {name for package in PACKAGES for name in import_module(package).__all__}
    assert set(queuack.__all__) == everything, "queuack/__init__.py names twice what a package exports"
    assert len(set(queuack.__all__)) == len(queuack.__all__)


def test_the_names_are_the_packages_own_objects() -> None:
    for package in PACKAGES:
        module = import_module(package)
        for name in module.__all__:
            if name == "QueryError" and package == "queuack_stream":
                continue  # the one word that two packages use: here it is the queue's
            assert getattr(queuack, name) is getattr(module, name), name


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'DuckQeue'"):
        queuack.DuckQeue  # noqa: B018
    assert set(queuack.__all__) <= set(dir(queuack))


def test_importing_it_loads_nothing() -> None:
    loaded = run("import sys, queuack; print(*sys.modules)").split()
    assert not HEAVY & set(loaded)
    assert [name for name in loaded if name.startswith("queuack_")] == []


def test_a_client_is_light(tmp_path: Path) -> None:
    code = """
import sys
from queuack import DuckQueue
with DuckQueue(sys.argv[1]) as queue:
    queue.enqueue(print)
    print(queue.stats()["pending"], *sys.modules)
    if sys.platform == "linux":
        for line in open("/proc/self/status"):
            if line.startswith("VmHWM"):
                print(line.split()[1])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "jobs.db")], capture_output=True, text=True, check=True
    )
    first, *rest = done.stdout.splitlines()
    pending, *loaded = first.split()
    assert pending == "1"
    assert not (HEAVY - {"msgspec"}) & set(loaded)
    for kilobytes in rest:
        assert int(kilobytes) <= 35 << 10


PROGRAM = """
import queuack
from queuack import DAG, DuckQueue, Job, StreamWriter, TaskContext, job

with DuckQueue("jobs.db") as queue:
    a: Job | None = queue.claim()
    dag = DAG("d", queue)
    b: bool = dag.execute()
    c: int = StreamWriter("a.jsonl").write([{"a": 1}])

@job(queue)
def task(n: int, context: TaskContext | None = None) -> int:
    return n

task.delay("x")  # refused
wrong: str = dag.execute()  # refused
queuack.DuckQeue  # refused
"""


def test_a_type_checker_sees_the_names(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "program.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    refused = {i for i, line in enumerate(PROGRAM.splitlines(), 1) if line.endswith("# refused")}
    found = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    assert found == refused, done.stdout + done.stderr
