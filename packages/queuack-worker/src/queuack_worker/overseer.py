"""What a crew asks of its supervisor, where it runs in a child process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, Protocol

if TYPE_CHECKING:
    from queuack_worker.board import Row


class Overseer(Protocol):
    """What a child process knows of its supervisor."""

    rows: list[Row]

    def beat(self, holding: bool) -> float:
        """Show that this process's own threads run, and whether it holds claims.

        Returns in how many seconds that is to be shown again, at the latest.
        """
        ...

    def rest(self) -> None:
        """Show it no more: the process is about to end."""
        ...

    def mind_line(self, unreported: Callable[[], list[tuple[bytes, int]]]) -> None:
        """End this process where a job has closed the line to its supervisor, and with it all others.

        What is `unreported` (job id, claim) is left where the supervisor finds it.
        """
        ...

    def forked(self) -> None:
        """Let go of it, in a copy of this process that a job has forked."""
        ...

    def die(self, reason: str) -> NoReturn:
        """End this process at once: a job in it can't be stopped otherwise."""
        ...
