"""The time axis of a Gantt: instants as Mermaid reads them, and ticks that suit the length of a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

# Mermaid reads and shows local time. A day of no one's daylight saving, so that 0 s reads 0 s everywhere.
_DAY_ONE = datetime(2001, 1, 1)
_TICKS = (
    (0.1, "100millisecond"),
    (0.2, "200millisecond"),
    (0.5, "500millisecond"),
    (1, "1second"),
    (2, "2second"),
    (5, "5second"),
    (10, "10second"),
    (30, "30second"),
    (60, "1minute"),
    (120, "2minute"),
    (300, "5minute"),
    (600, "10minute"),
    (1800, "30minute"),
    (3600, "1hour"),
    (10800, "3hour"),
    (21600, "6hour"),
    (86400, "1day"),
    (604800, "1week"),
)
_MAX_TICKS = 10
_SHORT_RUN = 0.1  # seconds; below it the axis counts milliseconds, as Mermaid knows nothing finer
_LONGEST = 300 * 86400.0  # seconds; beyond it days are too many to number, and the axis goes without


@dataclass(frozen=True, slots=True)
class Axis:
    """How seconds of a run become instants of the chart, and the chart's own settings for its axis."""

    scale: float
    tick: str
    label: str
    seconds: float

    def instant(self, seconds: float) -> str:
        """A time since the run began, as `2001-01-01 00:00:01.500`."""
        shown = max(0.0, seconds) * self.scale
        return (_DAY_ONE + timedelta(seconds=shown)).isoformat(sep=" ", timespec="milliseconds")

    @property
    def least(self) -> float:
        """The shortest span, in seconds, that still shows as a bar."""
        return max(self.seconds / 400, 0.001 / self.scale)


def axis_for(seconds: float) -> Axis:
    """The axis for a run of so many seconds."""
    seconds = max(seconds, 0.001)
    if seconds > _LONGEST:
        return Axis(_LONGEST / seconds, "", "·", seconds)
    scale, unit = (1000.0, "ms") if seconds < _SHORT_RUN else (1.0, "s")
    shown = seconds * scale
    tick, name = next((tick for tick in _TICKS if shown / tick[0] <= _MAX_TICKS), _TICKS[-1])
    if tick < 1:
        label = f"%-S.%L {unit}"
    elif shown <= 60:
        label = f"%-S {unit}"
    elif shown <= 3600:
        label = "%-M:%S min"
    elif shown <= 86400:
        label = "%-H:%M h"
    else:
        label = "day %-j" if tick >= 86400 else "day %-j, %-H:%M"
    return Axis(scale, name, label, seconds)
