"""The one escape function, the lines it is given, and the words around them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from queuack_viz.escape import NO_WIDTH, escape, visible
from queuack_viz.labels import count_text, cut, seconds_text, status_text, width, wrap

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=60)


def unescape(text: str) -> str:
    text = text.replace("<br/>", "\n").replace(f"#{ord(NO_WIDTH)};", "")
    return re.sub(r"#(\d+);", lambda found: chr(int(found[1])), text)


@given(ANYTHING)
def test_nothing_of_a_text_is_lost_and_nothing_of_it_means_anything(text: str) -> None:
    escaped = escape(text)
    assert unescape(escaped) == visible(text)
    assert not re.search(r'["`<>&{}|\\$%:;#*]|end$^', re.sub(r"#\d+;|<br/>", "", escaped))
    escaped.encode("utf-8")


@given(ANYTHING)
def test_making_visible_twice_changes_nothing(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("load_table.csv (v2)", "load_table.csv (v2)"),
        ('say "hi"', "say #34;hi#34;"),
        ("a\r\nb\tc", "a<br/>b c"),
        ("\u202eevil", "#92;u202eevil"),
        ("\ud800", "#92;ud800"),
        ("1. load", "1#46; load"),
        ("1.5 s", "1.5 s"),
        ("- load", "#45; load"),
        ("C:\\new", "C#58;#92;#8288;new"),
        ("$$x$$", "#36;#8288;#36;x#36;#8288;#36;"),
        ("fa:fa-car", "fa#58;#8288;fa-car"),
        ("日本語 🦆 שלום", "日本語 🦆 שלום"),
        ("ﬂ°°35¶ß", "ﬂ#8288;°°35¶#8288;ß"),
    ],
)
def test_escapes(text: str, escaped: str) -> None:
    assert escape(text) == escaped


@given(ANYTHING.map(visible), st.integers(4, 40))
def test_wrapping_keeps_every_character_and_every_bound(text: str, columns: int) -> None:
    wrapped = wrap(text, columns)
    assert "".join(wrapped.split()) == "".join(text.split())
    assert all(width(line) <= columns for line in wrapped.split("\n"))


@given(ANYTHING.map(visible), st.integers(4, 40))
def test_cutting_keeps_to_its_columns_and_says_that_it_cut(text: str, columns: int) -> None:
    short = cut(text, columns)
    assert width(short) <= columns
    assert short == text or "…" in short


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("two words", ["two words"]),
        ("a sentence that is too long for one line", ["a sentence that", "is too long for", "one line"]),
        ("snake_case_name_of_a_task", ["snake_case_name_", "of_a_task"]),
        ("package.module:ClassName", ["package.module:", "ClassName"]),
        ("x" * 20, ["x" * 16, "x" * 4]),
        ("日本語" * 4, ["日本語日本語日本", "語日本語"]),
        ("one\n\ntwo", ["one", "", "two"]),
    ],
)
def test_lines_break_where_a_reader_would(text: str, lines: list[str]) -> None:
    assert wrap(text, 16).split("\n") == lines


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1.0, "0 s"),
        (0.0, "0 s"),
        (0.0002, "<1 ms"),
        (0.34, "340 ms"),
        (0.9996, "1 s"),
        (1.24, "1.2 s"),
        (59.94, "59.9 s"),
        (59.97, "1 min"),
        (125.0, "2 min 5 s"),
        (4800.0, "1 h 20 min"),
        (360_000.0, "4 d 4 h"),
        (1e9, "11,574 d 1 h"),
    ],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("status", "seconds", "text"),
    [
        (None, None, ""),
        ("pending", None, ""),
        (None, 1.0, "1 s"),
        ("done", 1.0, "✓ 1 s"),
        ("done", None, "✓ done"),
        ("failed", 0.4, "✗ failed · 400 ms"),
        ("skipped", None, "⊘ skipped"),
    ],
)
def test_no_status_is_told_by_colour_alone(status: str | None, seconds: float | None, text: str) -> None:
    assert status_text(status, seconds) == text


def test_counts_agree_in_number() -> None:
    assert count_text(1, "box|boxes") == "1 box"
    assert count_text(2000, "box|boxes") == "2,000 boxes"
    assert count_text(0, "node") == "0 nodes"
