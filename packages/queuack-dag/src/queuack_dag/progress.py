"""What a run shows on a terminal while it is executed, and the lines of `with_timing()`. The only rich."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from queuack_dag.status import NodeStatus, Progress
from queuack_dag.views import NodeView

if TYPE_CHECKING:
    from typing import Self

_ENDED = (NodeStatus.DONE, NodeStatus.FAILED, NodeStatus.SKIPPED, NodeStatus.CANCELLED)
_SHOWN = (NodeStatus.RUNNING, NodeStatus.FAILED, NodeStatus.SKIPPED, NodeStatus.CANCELLED)


class Silence:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, progress: Progress) -> None:
        """Show nothing."""


class Display(Silence):
    """One line with a bar: how many nodes have ended, run, failed."""

    def __init__(self, title: str) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}", markup=False),
            TimeElapsedColumn(),
        )
        self._title = title
        self._task: Any = None

    def __enter__(self) -> Self:
        self._bars.start()
        self._task = self._bars.add_task(self._title, total=None, facts="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, progress: Progress) -> None:
        """Show how it stands now."""
        facts = ", ".join(f"{progress[s.value]} {s.value}" for s in _SHOWN if progress[s.value])
        self._bars.update(
            self._task,
            total=sum(progress.values()),
            completed=sum(progress[status.value] for status in _ENDED),
            facts=facts,
        )


def write_timing(title: str, nodes: Iterable[NodeView]) -> None:
    """Write one line per node to the standard output: its status and how long it ran."""
    listed = list(nodes)
    width = max((len(node["name"]) for node in listed), default=0)
    lines = []
    for node in sorted(listed, key=lambda node: (node["started_at"] is None, node["started_at"] or 0)):
        seconds = node["duration_seconds"]
        took = "-" if seconds is None else f"{seconds:.3f} s"
        lines.append(f"{title}: {node['name']:<{width}}  {node['status'].value:<9}  {took:>10}\n")
    sys.stdout.write("".join(lines))
    sys.stdout.flush()
