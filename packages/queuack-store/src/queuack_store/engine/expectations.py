"""How long a task's next run is expected to take, from its earlier ones: what prefetch rests on."""

from __future__ import annotations

UNKNOWN_TASK_S = 1.0  # a task never seen is taken to be long
MAX_TASKS = 10_000  # tasks whose run time is remembered
_SLOWER, _FASTER = 0.5, 0.1  # quick to believe that a task has become slow


class Expectations:
    """Run times by task, smoothed."""

    def __init__(self) -> None:
        self._tasks: dict[str, float] = {}

    def of(self, task: str) -> float:
        """Return the seconds that the next run is expected to take."""
        return self._tasks.get(task, UNKNOWN_TASK_S)

    def learn(self, task: str, duration_s: float) -> None:
        """Take in how long a run took."""
        known = self._tasks.get(task)
        if known is not None:
            duration_s = known + (_SLOWER if duration_s > known else _FASTER) * (duration_s - known)
        elif len(self._tasks) >= MAX_TASKS:
            self._tasks.clear()
        self._tasks[task] = duration_s
