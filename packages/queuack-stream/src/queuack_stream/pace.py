"""How many rows to pull from a source at a time, so that the rows in hand stay within bounds."""

from __future__ import annotations

# More rows at a time gain nothing measurable and raise what can be in hand when rows suddenly grow.
MOST_ROWS = 64


class Pace:
    """The number of rows to pull next, from how large the last ones were.

    Starts with one row, since nothing is known yet; doubles while rows are small; goes down to one at once
    when rows are large. A sudden jump in size is noticed after at most 64 rows.
    """

    def __init__(self, max_bytes: int) -> None:
        self.rows = 1
        self._budget = max(1, max_bytes // 4)

    def note(self, rows: int, size: int) -> None:
        """Takes in that `rows` rows came to `size` bytes."""
        fits = self._budget * rows // max(1, size)
        self.rows = max(1, min(MOST_ROWS, fits, self.rows * 2))
