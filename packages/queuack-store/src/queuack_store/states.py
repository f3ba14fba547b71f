"""The states of a job and the transitions between them: the only table; everything else asks it.

docs/states.md is drawn from it (`python -m queuack_store.states`).
"""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    """Where a job is in its life. A `StrEnum`: `JobStatus.DONE == "done"`."""

    PENDING = "pending"
    DELAYED = "delayed"
    WAITING = "waiting"
    CLAIMED = "claimed"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class DependencyMode(StrEnum):
    """Which parents a job waits for. The plain strings serve everywhere.

    ALL: every parent must succeed. ANY: the first success starts it.
    ALWAYS: it starts once every parent has ended, however.
    """

    ALL = "all"
    ANY = "any"
    ALWAYS = "always"


# Plain strings for the engine: they are what is stored and sent.
PENDING = JobStatus.PENDING.value
DELAYED = JobStatus.DELAYED.value
WAITING = JobStatus.WAITING.value
CLAIMED = JobStatus.CLAIMED.value
DONE = JobStatus.DONE.value
FAILED = JobStatus.FAILED.value
SKIPPED = JobStatus.SKIPPED.value
CANCELLED = JobStatus.CANCELLED.value

LIVE = frozenset({PENDING, DELAYED, WAITING, CLAIMED})
ENDED = frozenset({DONE, FAILED, SKIPPED, CANCELLED})

# (state, event) -> state. "new" is a job that does not exist yet.
TRANSITIONS: dict[tuple[str, str], str] = {
    ("new", "enqueue"): PENDING,
    ("new", "enqueue_later"): DELAYED,
    ("new", "enqueue_behind"): WAITING,
    ("new", "skip"): SKIPPED,
    (DELAYED, "due"): PENDING,
    (WAITING, "release"): PENDING,
    (WAITING, "release_later"): DELAYED,
    (WAITING, "skip"): SKIPPED,
    (PENDING, "claim"): CLAIMED,
    (PENDING, "reschedule"): DELAYED,
    (DELAYED, "reschedule"): DELAYED,
    (PENDING, "skip"): SKIPPED,
    (DELAYED, "skip"): SKIPPED,
    (CLAIMED, "hand_back"): PENDING,
    (CLAIMED, "retry"): PENDING,
    (CLAIMED, "retry_later"): DELAYED,
    (CLAIMED, "succeed"): DONE,
    (CLAIMED, "fail"): FAILED,
    (CLAIMED, "skip"): SKIPPED,
    (PENDING, "cancel"): CANCELLED,
    (DELAYED, "cancel"): CANCELLED,
    (WAITING, "cancel"): CANCELLED,
    (CLAIMED, "cancel"): CANCELLED,
    (FAILED, "revive"): PENDING,
    (CANCELLED, "revive"): PENDING,
    (SKIPPED, "revive"): PENDING,
    (FAILED, "revive_behind"): WAITING,
    (CANCELLED, "revive_behind"): WAITING,
    (SKIPPED, "revive_behind"): WAITING,
}


def after(state: str, event: str) -> str:
    """Return the state that follows `state` on `event`.

    Raises:
        ValueError: where the table has no such transition: a fault of the caller, never of input.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise ValueError(f"a job that is {state} can't {event}") from None


def diagram() -> str:
    """Draw the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    for (state, event), target in TRANSITIONS.items():
        source = "[*]" if state == "new" else state
        lines.append(f"    {source} --> {target}: {event}")
    lines += [f"    {state} --> [*]" for state in sorted(ENDED)]
    return "\n".join(lines)


if __name__ == "__main__":
    print(diagram())  # noqa: T201 - this is the command's output
