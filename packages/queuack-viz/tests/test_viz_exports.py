"""What the package offers, what it imports, and what it ships."""

from __future__ import annotations

import ast
import pkgutil
import sys
from importlib.metadata import requires
from pathlib import Path

import queuack_viz
from queuack_viz.vendored import mermaid_licence, mermaid_script, mermaid_version, packed_script

SOURCES = Path(queuack_viz.__file__).parent


def test_the_public_surface_is_this_and_sorted() -> None:
    assert queuack_viz.__all__ == [
        "Diagram",
        "DiagramError",
        "Drawing",
        "Edge",
        "Group",
        "Limits",
        "MermaidColorScheme",
        "Node",
        "Paint",
        "draw_flowchart",
        "draw_gantt",
    ]
    assert sorted(queuack_viz.__all__) == queuack_viz.__all__


def test_every_public_name_is_documented() -> None:
    for name in queuack_viz.__all__:
        documented = getattr(queuack_viz, name)
        assert documented.__doc__, name
        assert documented.__doc__.splitlines()[0].rstrip().endswith((".", ";", ",")), name


def test_no_module_bears_an_exported_name() -> None:
    modules = {module.name for module in pkgutil.iter_modules([str(SOURCES)])}
    assert not modules & {name.lower() for name in queuack_viz.__all__}


def test_nothing_but_the_standard_library_is_imported() -> None:
    for path in SOURCES.glob("*.py"):
        for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(statement, ast.Import):
                names = [alias.name for alias in statement.names]
            elif isinstance(statement, ast.ImportFrom):
                names = [statement.module or ""]
            for name in names:
                root = name.partition(".")[0]
                assert root == "queuack_viz" or root in sys.stdlib_module_names, (path.name, name)
    assert not requires("queuack-viz")


def test_mermaid_ships_small_whole_and_with_its_licence() -> None:
    assert len(packed_script()) <= 1_500_000
    assert f'"{mermaid_version()}"' in mermaid_script()
    assert "MIT License" in mermaid_licence()
    assert "Knut Sveidqvist" in mermaid_licence()


def test_all_that_ships_stays_below_the_wheels_bound() -> None:
    assert sum(path.stat().st_size for path in SOURCES.rglob("*") if path.suffix != ".pyc") <= 1_500_000
    assert (SOURCES / "py.typed").exists()
