"""The draft of one cycle: what has changed since the last record, and how to take it back.

A handler changes the state in place and says so here first. When the record is durable the draft is
accepted and nothing more is to do; when the append failed it is taken back, exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from queuack_store.engine.changes import (
    Answer,
    Attempt,
    Explanation,
    JobState,
    LogRow,
    MemoRow,
    NewRow,
    ProgressRow,
    Record,
    RunRow,
    RunState,
)
from queuack_store.engine.tallies import encode_cells
from queuack_store.jobs import SessionInfo

if TYPE_CHECKING:
    from queuack_store.engine.entries import Job, Run
    from queuack_store.engine.tallies import Cells, Tally


class Draft:
    """Everything one cycle has decided so far."""

    __slots__ = (
        "_runs",
        "_tallies",
        "_touched",
        "_undo",
        "answers",
        "attempts",
        "closed",
        "cycle",
        "explained",
        "logged",
        "memos",
        "new",
        "new_runs",
        "opened",
        "paused",
        "progressed",
        "purged",
        "results",
        "retained",
    )

    def __init__(self, cycle: int) -> None:
        self.cycle = cycle
        self.new: list[Job] = []
        self._touched: list[tuple[Job, JobState, int]] = []
        self._runs: dict[bytes, Run] = {}
        self._tallies: list[tuple[Tally, Cells]] = []
        self._undo: list[Callable[[], object]] = []
        self.results: list[tuple[bytes, bytes]] = []
        self.attempts: list[Attempt] = []
        self.new_runs: list[RunRow] = []
        self.purged: list[bytes] = []
        self.retained: list[tuple[str, float | None]] = []
        self.paused: list[tuple[str, bool]] = []
        self.opened: list[SessionInfo] = []
        self.closed: list[tuple[bytes, float]] = []
        self.answers: list[Answer] = []
        self.memos: list[MemoRow] = []  # each beside an attempt that ended
        self.explained: list[Explanation] = []
        self.progressed: list[ProgressRow] = []
        self.logged: list[LogRow] = []

    def touch(self, job: Job) -> None:
        """Note that this job is about to change; call it before the change."""
        if job.cycle != self.cycle:
            self._touched.append((job, job.image(), job.cycle))
            job.cycle = self.cycle

    def touch_run(self, run: Run) -> None:
        """Note that this run's status is about to change."""
        if run.spec.id not in self._runs:
            before = (run.status, run.cycle)
            self._runs[run.spec.id] = run
            run.cycle = self.cycle
            self._undo.append(lambda: run.set_back(*before))

    def touch_tally(self, tally: Tally) -> None:
        """Note that this tally is about to count up."""
        if tally.cycle != self.cycle:
            self._tallies.append((tally, tally.cells[:]))
            tally.cycle = self.cycle

    def on_rollback(self, undo: Callable[[], object]) -> None:
        """Name what takes back a change that is neither a job's nor a run's; run last first."""
        self._undo.append(undo)

    def __bool__(self) -> bool:
        return bool(
            self.new
            or self._touched
            or self._runs
            or self.attempts
            or self.answers
            or self.opened
            or self.closed
            or self.paused
            or self.purged
            or self.retained
            or self.new_runs
            or self.results
            or self.explained
            or self.progressed
            or self.logged
        )

    def runs(self) -> list[Run]:
        """Return the runs whose status this cycle changed."""
        return list(self._runs.values())

    def changed(self) -> list[Job]:
        """Return the jobs that this cycle made or changed."""
        return self.new + [entry[0] for entry in self._touched]

    def record(self, at: float, next_seq: int, next_claim: int) -> Record:
        """Return the cycle as data."""
        return Record(
            cycle=self.cycle,
            at=at,
            next_seq=next_seq,
            next_claim=next_claim,
            new=[NewRow(job.spec, job.created_at, job.image()) for job in self.new],
            states=[entry[0].image() for entry in self._touched],
            results=self.results,
            attempts=self.attempts,
            new_runs=self.new_runs,
            runs=[RunState(r.spec.id, r.status, at if r.ended else None) for r in self._runs.values()],
            purged=self.purged,
            retained=self.retained,
            paused=self.paused,
            opened=self.opened,
            closed=self.closed,
            answers=self.answers,
            memos=self.memos,
            explained=self.explained,
            tallies=[(t.queue, t.task, encode_cells(t.cells)) for t, _ in self._tallies],
            progressed=self.progressed,
            logged=self.logged,
        )

    def rollback(self, restored: Callable[[Job, JobState], Any], removed: Callable[[Job], Any]) -> None:
        """Take everything back: `restored(job, image_before)` per changed job, `removed(job)` per new one."""
        for job in reversed(self.new):
            removed(job)
        for job, image, cycle in reversed(self._touched):
            job.cycle = cycle
            restored(job, image)
        for tally, cells in self._tallies:
            tally.cells, tally.cycle = cells, -1
        for undo in reversed(self._undo):
            undo()
