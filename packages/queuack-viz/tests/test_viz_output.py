"""Files and notebooks: what is written where, and what a page holds."""

from __future__ import annotations

import base64
import re
import zlib
from pathlib import Path

import pytest
from queuack_viz import Diagram, DiagramError, Drawing, MermaidColorScheme, Node, draw_flowchart, draw_gantt
from queuack_viz.vendored import mermaid_script


@pytest.fixture
def drawing() -> Drawing:
    return draw_flowchart(
        Diagram([Node("a", "ünïcode 🦆")], title="A <b> & c"), MermaidColorScheme.dark_mode()
    )


def test_the_text_is_the_drawing(drawing: Drawing) -> None:
    assert str(drawing) == drawing.text
    assert drawing.text.endswith("\n")


def test_mmd_holds_the_text_alone(drawing: Drawing, tmp_path: Path) -> None:
    path = drawing.write(tmp_path / "a.mmd")
    assert path.read_bytes().decode() == drawing.text


def test_markdown_holds_it_in_a_fence(drawing: Drawing, tmp_path: Path) -> None:
    path = drawing.write(str(tmp_path / "a.MD"))
    assert path.read_text(encoding="utf-8") == f"```mermaid\n{drawing.text}```\n"


def test_a_name_cannot_end_the_fence() -> None:
    assert draw_flowchart(Diagram([Node("```")], title="no ticks")).markdown().count("```") == 2


def test_a_title_cannot_end_the_fence_or_the_front_matter() -> None:
    drawing = draw_flowchart(Diagram([], title="a\n```\n---\nb"))
    assert drawing.text.split("\n")[1] == 'title: "a ``` --- b"'


def test_the_page_is_whole_and_names_nothing_outside(drawing: Drawing, tmp_path: Path) -> None:
    page = drawing.write(tmp_path / "a.html").read_text(encoding="utf-8")
    held = {
        name: base64.b64decode(data)
        for name, data in re.findall(r'type="text/plain" id="(\w+)">([^<]*)<', page)
    }
    assert held["text"].decode() == drawing.text
    assert zlib.decompress(held["mermaid"]).decode() == mermaid_script()
    assert "<title>A &lt;b&gt; &amp; c</title>" in page
    assert "background: #0d1117" in page
    assert "default-src 'none'" in page
    assert "MIT License" in page
    assert not re.search(r"""(?:src|href)\s*=\s*["']""", page)
    assert len(page) < 1_500_000


def test_another_suffix_is_refused_and_nothing_is_written(drawing: Drawing, tmp_path: Path) -> None:
    with pytest.raises(DiagramError, match=r"a\.svg' has no known suffix; use \.mmd, \.md or \.html"):
        drawing.write(tmp_path / "a.svg")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("draw", [draw_flowchart, draw_gantt])
def test_a_notebook_is_given_mermaid_markdown_and_text(draw: object) -> None:
    drawing = draw(Diagram([Node("a")]))  # type: ignore[operator]
    bundle = drawing._repr_mimebundle_()
    assert bundle == {
        "text/vnd.mermaid": drawing.text,
        "text/markdown": drawing.markdown(),
        "text/plain": drawing.text,
    }
