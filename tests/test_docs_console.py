"""The commands of the pages' console blocks, as a reader would type them; a worker runs beside the rest."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sysconfig
from pathlib import Path

import pytest
from queuack_store import DuckQueue

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("packages/*/README.md")])
WAIT_S = 60.0
ELSEWHERE = ("pip ", "make ", "cd ", "curl ")  # the packages' own tests install, build and scrape
WORKER = re.compile(r"queuack(-worker| worker)(?! status)\b")


def commands(page: Path) -> list[str]:
    """The lines behind `$ `, without what is said of them."""
    text = "\n".join(re.findall(r"^```console\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL))
    lines = [re.sub(r"\s{2,}#.*", "", line) for line in re.findall(r"^\$ (.+)$", text, re.MULTILINE)]
    return [line.removesuffix(" &") for line in lines if not line.startswith(ELSEWHERE)]


WITH_COMMANDS = [page for page in PAGES if commands(page)]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_of_a_page_work(page: Path, tmp_path: Path) -> None:
    for name in ("jobs.db", "jobs.duckdb"):
        DuckQueue(tmp_path / name).close()
    scripts = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    env = {name: value for name, value in os.environ.items() if not name.startswith("QUEUACK_")}
    env["PATH"] = scripts
    workers = []
    try:
        for command in commands(page):
            if WORKER.match(command):
                workers.append(
                    subprocess.Popen(
                        ["sh", "-c", f"exec {command}"],
                        cwd=tmp_path,
                        env=env,
                        stderr=subprocess.PIPE,
                        text=True,
                        start_new_session=True,
                    )
                )
                assert workers[-1].stderr is not None
                log = iter(workers[-1].stderr.readline, "")
                assert any("child_ready" in line for line in log), f"{command} started no child"
            else:
                done = subprocess.run(
                    ["sh", "-c", command],
                    cwd=tmp_path,
                    env=env,
                    capture_output=True,
                    text=True,
                    timeout=WAIT_S,
                )
                assert done.returncode == 0, f"{command}: {done.stderr}"
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
            worker.communicate(timeout=WAIT_S)
    assert [worker.returncode for worker in workers] == [0] * len(workers)


def test_most_pages_that_name_the_command_are_here() -> None:
    names = {page.relative_to(ROOT).as_posix() for page in WITH_COMMANDS}
    assert {"docs/cli.md", "docs/tutorial.md", "docs/workers.md", "packages/queuack/README.md"} <= names
