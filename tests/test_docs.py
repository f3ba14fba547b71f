"""Every code block of the pages runs, and prints what stands below it; the site and llms.txt are whole.

The Python blocks of a page run one after the other, as one script in an empty folder:

* a block whose first line is `# name.py` is that file, for the others to import; pytest runs `test_*.py`;
* a block of ```text right below is what was printed since the last such block, with `…` for any text;
* SQL blocks run against a queue with some history.

What can't run says why, in the line before it: `<!-- not run: other product -->`. Consoles are run
by test_docs_console.py; other languages than these (ini, yaml, ...) are not run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from queuack_store import DuckQueue

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SKIP = re.compile(r"<!-- not run: (.+) -->\n*$")
NOT_CODE = {"console", "dockerfile", "ini", "json", "mermaid", "promql", "text", "toml", "yaml", ""}
MARK = "\x1e"  # what the script prints where the page says what was printed


class Block(NamedTuple):
    language: str
    code: str
    skipped: str | None
    follows: bool  # directly below the block before it


def blocks(path: Path) -> list[Block]:
    text = path.read_text()
    found, end = [], 0
    for match in FENCE.finditer(text):
        indent, code = match[1], match[3]
        between = text[end : match.start()]
        skip = SKIP.search(between)
        if indent:
            code = "".join(line.removeprefix(indent) for line in code.splitlines(keepends=True))
        found.append(Block(match[2].strip(), code, skip and skip[1], not between.strip()))
        end = match.end()
    return found


def pages() -> list[Path]:
    packages = [ROOT / "packages" / f"queuack-{name}" / "README.md" for name in ("store", "worker", "dag")]
    return [*sorted(DOCS.rglob("*.md")), *packages]


def with_code(*languages: str) -> list[Path]:
    return [p for p in pages() if any(b.language in languages and not b.skipped for b in blocks(p))]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", with_code("python"), ids=name_of)
def test_the_python_of_a_page_runs_and_prints_what_it_says(path: Path, tmp_path: Path) -> None:
    script, said = [], []
    before = None
    for block in blocks(path):
        if block.language == "python" and not block.skipped:
            file = re.match(r"# (\w+\.py)\n", block.code)
            if file:
                (tmp_path / file[1]).write_text(block.code)
            else:
                script.append(block.code)
        elif block.language == "text" and block.follows and before == "python":
            script.append(f"print({MARK!r}, flush=True)\n")
            said.append(block.code)
        before = block.language if not block.skipped else None
    (tmp_path / "page.py").write_text("\n".join(script))
    tests = [file.name for file in tmp_path.glob("test_*.py")]
    pytest_of_page = ["-m", "pytest", "-q", "--rootdir", str(tmp_path), *tests]
    run = subprocess.run(
        [sys.executable, *(pytest_of_page if tests else ["page.py"])],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
    printed = run.stdout.split(f"{MARK}\n")
    for expected, found in zip(said, printed, strict=False):
        pattern = re.escape(expected.strip()).replace("…", ".*?")
        assert re.fullmatch(pattern, found.strip(), re.DOTALL), (
            f"the page says\n{expected}\nbut it is\n{found}"
        )


@pytest.fixture(scope="module")
def history() -> Iterator[DuckQueue]:
    with DuckQueue(":memory:", workers_num=1) as queue:
        first = queue.enqueue(len, args=("quack",), tags=["nightly"])
        bad = queue.enqueue(int, args=("x",), depends_on=first, max_attempts=1)
        queue.wait(queue.enqueue(len, args=((),), depends_on=bad, dependency_mode="always"), timeout=60)
        yield queue


@pytest.mark.parametrize("path", with_code("sql"), ids=name_of)
def test_the_sql_of_a_page_runs(path: Path, history: DuckQueue) -> None:
    job = next(iter(history.sql("SELECT id::VARCHAR FROM jobs LIMIT 1")))[0]
    for block in blocks(path):
        if block.language != "sql" or block.skipped:
            continue
        for statement in filter(str.strip, re.sub(r"--.*", "", block.code).split(";")):
            history.sql(statement, {"id": job} if "$id" in statement else None).fetchall()


@pytest.mark.parametrize("path", pages(), ids=name_of)
def test_a_page_has_no_code_that_is_not_run_without_a_reason(path: Path) -> None:
    for block in blocks(path):
        assert block.language in NOT_CODE | {"python", "sql"}, f"```{block.language} is neither run nor known"


def linked(text: str) -> list[str]:
    return [target for target in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in target]


def test_llms_txt_leads_to_pages_that_exist() -> None:
    targets = linked((DOCS / "llms.txt").read_text())
    assert len(targets) > 20
    assert [target for target in targets if not (DOCS / target).exists()] == []


@pytest.mark.parametrize("path", [*pages(), *ROOT.glob("*.md"), *ROOT.glob("examples/**/*.md")], ids=name_of)
def test_links_between_files_lead_somewhere(path: Path) -> None:
    text = FENCE.sub("", path.read_text())
    assert [target for target in linked(text) if not (path.parent / target).exists()] == []


def test_every_page_is_in_the_navigation() -> None:
    class Loader(yaml.SafeLoader):
        """Passes over the tags that only MkDocs knows."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    nav = str(yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)["nav"])
    listed = set(re.findall(r"[\w/.-]+\.md", nav))
    assert listed == {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}


def test_the_site_builds_strictly_and_needs_no_network(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is in the dependency group docs")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert run.returncode == 0, run.stderr
    elsewhere = re.compile(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=\"(?:https?:)?//[^>]*>")
    for page in tmp_path.rglob("*.html"):
        assert elsewhere.findall(page.read_text()) == [], page
    reference = (tmp_path / "reference/queue.html").read_text()
    assert "Wait until a job has ended" in reference
    assert (tmp_path / "llms.txt").exists()
