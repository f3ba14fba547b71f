"""Colour schemes: six to choose from, every colour settable, and WCAG 2 AA where it is promised."""

from __future__ import annotations

import dataclasses

import pytest
from queuack_viz import Diagram, DiagramError, MermaidColorScheme, Node, Paint, draw_flowchart
from queuack_viz.colours import contrast, mix
from queuack_viz.graph import STATUSES

SCHEMES = ["default", "blue_professional", "dark_mode", "pastel", "high_contrast", "grayscale"]
TEXT, GRAPHIC = 4.5, 3.0  # WCAG 2 AA: 1.4.3 for text, 1.4.11 for what must be seen beside text


def scheme_of(name: str) -> MermaidColorScheme:
    made = getattr(MermaidColorScheme, name)()
    assert isinstance(made, MermaidColorScheme)
    return made


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert mix("#000000", "#ffffff", 0.5) == "#808080"


def test_high_contrast_meets_wcag_aa() -> None:
    scheme = MermaidColorScheme.high_contrast()
    paints = [scheme.paint(status) for status in (*STATUSES, None)]
    frame = scheme.frame()
    for paint in (*paints, frame):
        assert contrast(paint.text, paint.fill) >= TEXT
    assert contrast(scheme.text, scheme.background) >= TEXT
    for ground in (scheme.background, frame.fill):
        assert contrast(scheme.line, ground) >= GRAPHIC
        assert all(contrast(paint.border, ground) >= GRAPHIC for paint in paints)
    assert contrast(frame.border, scheme.background) >= GRAPHIC
    bars = [scheme.background, scheme.paint("done").fill, scheme.paint("failed").fill]
    assert all(contrast(scheme.critical, beside) >= GRAPHIC for beside in bars)
    assert contrast(scheme.waited, scheme.background) >= GRAPHIC


@pytest.mark.parametrize("name", SCHEMES)
def test_in_every_scheme_every_text_reads(name: str) -> None:
    scheme = scheme_of(name)
    for paint in (*(scheme.paint(status) for status in (*STATUSES, None)), scheme.frame()):
        assert contrast(paint.text, paint.fill) >= TEXT, paint
    assert contrast(scheme.text, scheme.background) >= TEXT
    assert contrast(scheme.line, scheme.background) >= GRAPHIC


@pytest.mark.parametrize("name", SCHEMES)
def test_in_every_scheme_every_status_looks_different(name: str) -> None:
    scheme = scheme_of(name)
    assert len({scheme.paint(status) for status in STATUSES}) == len(STATUSES)


@pytest.mark.parametrize("name", ["default", "dark_mode"])
def test_two_schemes_read_on_white_and_on_near_black_pages(name: str) -> None:
    scheme = scheme_of(name)
    for page in ("#ffffff", "#0d1117"):
        assert contrast(scheme.text, page) >= GRAPHIC
        assert contrast(scheme.line, page) >= GRAPHIC


def test_a_colour_is_set_in_the_constructor_or_later_or_by_replace() -> None:
    scheme = MermaidColorScheme(done="#2ea043")
    assert scheme.done == "#2ea043"
    assert scheme.paint("done").fill == "#2ea043"
    scheme.failed = "#000000 #ffffff #ff0000 dashed"
    assert scheme.paint("failed") == Paint("#000000", "#ffffff", "#ff0000", dashed=True)
    assert dataclasses.replace(scheme, line="#123").line == "#123"
    assert MermaidColorScheme() == MermaidColorScheme.default()


def test_a_colour_that_is_set_is_drawn() -> None:
    text = draw_flowchart(Diagram([Node("a", status="done")]), MermaidColorScheme(done="#2ea043")).text
    assert "classDef done fill:#2ea043,color:#000000" in text


@pytest.mark.parametrize("fill", ["#000000", "#ffffff", "#808080", "#2ea043", "#ffff00", "#0000ff", "#777"])
def test_a_fill_alone_gets_a_text_that_reads(fill: str) -> None:
    paint = MermaidColorScheme(done=fill).paint("done")
    assert contrast(paint.text, paint.fill) >= TEXT


def test_one_scheme_never_changes_another() -> None:
    changed = MermaidColorScheme.pastel()
    changed.done = "#000000"
    assert MermaidColorScheme.pastel().done != changed.done


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"done": "green"}, "the colour done='green' can't be read"),
        ({"done": "#12345"}, "the colour done='#12345' can't be read"),
        ({"done": "#111 #222"}, "the colour done='#111 #222' has 2 colours"),
        ({"done": ""}, "the colour done='' has 0 colours"),
        ({"line": "#111 #222 #333"}, "the colour line='#111 #222 #333' can't be read"),
        ({"done": None}, "the colour done=None can't be read"),
    ],
)
def test_what_is_no_colour_is_refused(change: dict[str, str], says: str) -> None:
    with pytest.raises(DiagramError, match="the colour") as refused:
        MermaidColorScheme(**change)
    assert str(refused.value).startswith(says)


def test_a_misspelled_colour_is_refused_when_set() -> None:
    with pytest.raises(DiagramError, match="'dnoe' is unknown"):
        MermaidColorScheme().dnoe = "#111111"
    with pytest.raises(DiagramError, match="unknown status 'great'"):
        MermaidColorScheme().paint("great")
