"""When a child that could not start is tried again, and when a pool gives up: one that never could start."""

from __future__ import annotations

MAX_FAILED_STARTS = 5  # in a row, before any child has worked; then the pool gives up
BACKOFF_S, MAX_BACKOFF_S = 0.1, 10.0


class Starts:
    """Counts failed starts. Only they wait: a child that dies after it was ready is replaced at once.

    Attributes:
        in_a_row: starts that have failed since one succeeded.
    """

    def __init__(self) -> None:
        self.in_a_row = 0
        self._failed: dict[int, int] = {}  # in a row, by place in the pool
        self._worked = False

    def succeeded(self, number: int) -> None:
        """Note that the child in this place claims jobs."""
        self._worked = True
        self.in_a_row = 0
        self._failed.pop(number, None)

    def failed(self, number: int, shot: bool = False) -> float | None:
        """Note that a child was never ready; return the seconds until the next, or None to give up.

        `shot`: somebody killed it. That is no fault of ours the first time, and costs no wait.
        """
        self.in_a_row += 1
        count = self._failed[number] = self._failed.get(number, 0) + 1
        if not self._worked and self.in_a_row >= MAX_FAILED_STARTS:
            return None
        if shot and count == 1:
            return 0.0
        return min(BACKOFF_S * 2.0 ** min(count - 1, 16), MAX_BACKOFF_S)
