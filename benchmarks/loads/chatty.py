"""A job that reports and logs, and a hook that hears of every job; workers import them by name."""

from __future__ import annotations

from queuack_worker import get_context


def hear(_: object) -> None:
    """Do nothing with what was heard."""


def say(x: int) -> None:
    """Report and log as a chatty job would: one progress, one line."""
    context = get_context()
    assert context is not None
    context.progress(x, 100, "working")
    context.log("a line of a job")
