"""A scheduler in a few lines: what the nodes of a DAG must end as, and whether a history obeyed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Spec(NamedTuple):
    """A node: its parents, its mode, and whether its function fails."""

    parents: tuple[str, ...]
    mode: str
    fails: bool


def final_states(specs: Mapping[str, Spec]) -> dict[str, str]:
    """Return each node's final status; nodes come after their parents."""
    states: dict[str, str] = {}
    for name, (parents, mode, fails) in specs.items():
        good = [states[parent] == "done" for parent in parents]
        runs = (
            not parents or mode == "always" or (mode == "all" and all(good)) or (mode == "any" and any(good))
        )
        states[name] = "skipped" if not runs else "failed" if fails else "done"
    return states


def check_history(specs: Mapping[str, Spec], history: list[str], once: bool = True) -> None:
    """Check that no node started before its parents allowed it, and that each ended at most once."""
    ended: dict[str, str] = {}
    started: dict[str, int] = {}
    states = final_states(specs)
    for line in history:
        event, name = line.split()
        if event != "start":
            assert not once or name not in ended, f"{name} ended twice"
            ended.setdefault(name, event)
            continue
        started[name] = started.get(name, 0) + 1
        assert not once or started[name] == 1, f"{name} started twice"
        parents, mode, _ = specs[name]
        ready = {
            "all": all(ended.get(p) == "end" for p in parents),
            "any": not parents or any(ended.get(p) == "end" for p in parents),
            "always": all(p in ended or states[p] == "skipped" for p in parents),
        }
        assert ready[mode], f"{name} ({mode}) started too early: {parents}, {ended}"
    assert ended == {n: "end" if s == "done" else "fail" for n, s in states.items() if s != "skipped"}
