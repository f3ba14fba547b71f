"""The documented state diagram is the one of the transition table."""

from __future__ import annotations

from pathlib import Path

from queuack_store.states import diagram

STATES = Path(__file__).resolve().parents[3] / "docs" / "states.md"


def test_the_documented_diagram_is_drawn_from_the_table() -> None:
    assert f"```mermaid\n{diagram()}\n```" in STATES.read_text()
