"""What must be let go of in a forked child: one hook, registered when there is first something to let go.

Descriptors are closed there and never shut down: the parent goes on using its own copies.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Inherited(Protocol):
    """Something that a forked child must not share with its parent."""

    def forked(self) -> None:
        """Let go of it, in the child; never touches what the parent can see."""
        ...


_inherited: WeakSet[Inherited] = WeakSet()
_registered = False


def let_go_in_child(thing: Inherited) -> None:
    """Have `thing.forked()` called in every child forked from now on, as long as `thing` lives."""
    global _registered  # os.register_at_fork can't be undone, so it is done once
    if not _registered:
        os.register_at_fork(after_in_child=_forked)
        _registered = True
    _inherited.add(thing)


def _forked() -> None:
    for thing in list(_inherited):
        thing.forked()


def close_quietly(descriptor: int) -> None:
    """Close a descriptor that may be closed already."""
    try:
        os.close(descriptor)
    except OSError:
        pass
