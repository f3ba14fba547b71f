"""How many rows to pull from a source at a time, so that the rows in hand stay within bounds."""

from __future__ import annotations

import sys
from typing import Any

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

    def overshot(self, rows: list[Any]) -> bool:
        """Whether the last of some rows says that together they are more than was meant to be pulled.

        It looks at one row and not into its values, which costs 10 ns for each row pulled; encoding what was
        overshot one row after another spares the copies of it that encoding all at once would make.
        """
        last = rows[-1]
        if len(rows) < 8 or not isinstance(last, dict):
            return False
        return sum(map(sys.getsizeof, last.values())) * len(rows) > 2 * self._budget

    def note(self, rows: int, size: int) -> None:
        """Takes in that `rows` rows came to `size` bytes."""
        fits = self._budget * rows // max(1, size)
        self.rows = max(1, min(MOST_ROWS, fits, self.rows * 2))
