"""The invariants of docs/reliability.md, over the logs of all processes and the file that is left.

`python -m queuack_store.testing.checker FILE LOG...` prints what it finds; 1 where a promise was broken.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from queuack_store.opening import open_store
from queuack_store.requests import Sql, Stats
from queuack_store.states import DONE, ENDED
from queuack_store.tables import Rows
from queuack_store.testing.clock import ManualClock
from queuack_store.testing.history import Event, read

_JOBS = "SELECT id::VARCHAR, seq, queue, status, priority, attempts, max_attempts FROM jobs"
_ATTEMPTS = "SELECT job_id::VARCHAR, claim, outcome FROM job_attempts"
_EDGES = """
SELECT child_id::VARCHAR, parent_id::VARCHAR, dependency_mode
FROM job_dependencies JOIN jobs ON jobs.id = child_id
"""


@dataclass(frozen=True)
class FinalJob:
    """A row of `jobs`."""

    id: str
    seq: int
    queue: str
    status: str
    priority: int
    attempts: int
    max_attempts: int


@dataclass
class Final:
    """The file as it was left."""

    jobs: dict[str, FinalJob] = field(default_factory=dict)
    copies: dict[str, int] = field(default_factory=dict)  # ids that are there more than once
    attempts: list[tuple[str, int, str]] = field(default_factory=list)
    edges: list[tuple[str, str, str]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)  # as the engine counts them


def read_final(db_path: str | Path) -> Final:
    """Open the file, which nobody else may own, and read what it holds at one moment.

    Time stands still meanwhile: claims of a live queue that run out would be counted otherwise than stored.
    """
    store = open_store(str(db_path), owner="inline", clock=ManualClock(time.time()))
    try:
        rows = [FinalJob(*row) for row in Rows(store.call(Sql(_JOBS)))]
        seen = Counter(row.id for row in rows)
        return Final(
            {row.id: row for row in rows},
            {job: n for job, n in seen.items() if n > 1},
            list(Rows(store.call(Sql(_ATTEMPTS)))),
            list(Rows(store.call(Sql(_EDGES)))),
            {status: n for status, n in store.call(Stats()).items() if n},
        )
    finally:
        store.close()


@dataclass
class Report:
    """What the checker found. `broken` names each promise that was not kept."""

    acked: int = 0
    lost: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    recovered: int = 0  # stored though the sender never heard so
    duplicated: int = 0  # runs beyond the first that came to their end
    runs: int = 0
    broken: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.unexpected or self.broken)

    @property
    def figures(self) -> dict[str, int]:
        """The counts, each under its name."""
        return {
            "acknowledged": self.acked,
            "lost": len(self.lost),
            "unexpected": len(self.unexpected),
            "recovered": self.recovered,
            "runs": self.runs,
            "duplicated": self.duplicated,
            "other promises broken": len(self.broken),
        }

    def __str__(self) -> str:
        head = ", ".join(f"{name} {count}" for name, count in self.figures.items())
        return "\n".join([head, *(f"lost: {job}" for job in self.lost), *self.broken])


class Checker:
    """Holds the histories of a test against what is left of it."""

    def __init__(self, events: Iterable[Event], final: Final) -> None:
        self.final = final
        self.report = Report()
        self.sent: dict[str, Event] = {}
        self.acked: dict[str, float] = {}
        self.by_job: Mapping[str, list[Event]] = defaultdict(list)
        for event in sorted(events, key=lambda event: event.at):
            if event.what == "sent":
                self.sent[event.job] = event
            elif event.what == "acked":
                self.acked[event.job] = event.at
            else:
                self.by_job[event.job].append(event)

    def check(self, faults: int = 0, in_hand: int = 1, drained: bool = True, ordered: bool = False) -> Report:
        """Check all invariants.

        faults: how many processes were killed and claims lost. in_hand: so many jobs may each of them
            have had in hand, whose runs may be repeated. drained: the faults have stopped and workers
            have emptied the queue. ordered: no faults, so first claims must come in order.
        """
        self._jobs()
        self._runs(faults * in_hand)
        self._outcomes()
        self._dependencies()
        self._counters()
        if ordered:
            self._order()
        if drained:
            left = Counter(job.status for job in self.final.jobs.values() if job.status not in ENDED)
            self._demand(not left, f"I12: these never came to an end: {dict(left)}")
        return self.report

    def _demand(self, kept: bool, text: str) -> None:
        if not kept:
            self.report.broken.append(text)

    def _jobs(self) -> None:
        """I1, I2: what was acknowledged is there, once; what was never sent is not."""
        report, jobs = self.report, self.final.jobs
        report.acked = len(self.acked)
        report.lost = sorted(self.acked.keys() - jobs.keys())
        report.unexpected = sorted(jobs.keys() - self.sent.keys())
        report.recovered = len((jobs.keys() & self.sent.keys()) - self.acked.keys())
        self._demand(not self.final.copies, f"I2: stored more than once: {self.final.copies}")
        for job in jobs.values():
            self._demand(job.attempts <= job.max_attempts, f"I6: {job.id} has {job.attempts} attempts")

    def _runs(self, excused: int) -> None:
        """I3, I4, I5: nothing runs after its success was acknowledged, twice without a reason, or at once."""
        for job, events in self.by_job.items():
            ends = [event for event in events if event.what == "ended"]
            self.report.runs += len(ends)
            self.report.duplicated += max(0, len({event.claim for event in ends if event.kind == DONE}) - 1)
            success = [e.at for e in events if e.what == "finished" and e.ok and e.kind == DONE]
            for event in events:
                if event.what == "started" and success and event.at > min(success):
                    self._demand(False, f"I3: {job} was started after its success was acknowledged")
            self._overlaps(job, events)
            accepted = {e.claim for e in events if e.what == "finished" and e.ok and e.kind == DONE}
            self._demand(len(accepted) <= 1, f"I8: {job} was acknowledged as done {len(accepted)} times")
        repeated = self.report.duplicated
        self._demand(repeated <= excused, f"I4: {repeated} runs were repeated, at most {excused} may be")

    def _overlaps(self, job: str, events: list[Event]) -> None:
        accepted = {e.claim for e in events if e.what == "finished" and e.ok}
        spans: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for event in events:
            if event.claim in accepted and event.what in ("started", "ended"):
                spans[event.claim][event.what == "ended"] = event.at
        ordered = sorted(span for span in spans.values() if all(span))
        for (_, end), (start, _) in pairwise(ordered):
            self._demand(end <= start, f"I5: two accepted runs of {job} overlap")

    def _outcomes(self) -> None:
        """I6, I8: one outcome a claim, it stays, and no more starts than attempts."""
        recorded: dict[tuple[str, int], str] = {}
        spent: Counter[str] = Counter()
        for job, claim, outcome in self.final.attempts:
            self._demand((job, claim) not in recorded, f"I8: claim {claim} of {job} ended twice")
            recorded[job, claim] = outcome
            spent[job] += outcome != "returned"
        for job, count in spent.items():
            known = self.final.jobs.get(job)
            if known is not None:
                self._demand(count <= known.max_attempts, f"I6: {job} was started {count} times")
        for job, events in self.by_job.items():
            for event in events:
                told = event.what == "finished" and event.ok and event.kind != "returned"
                if told and job in self.final.jobs:
                    found = recorded.get((job, event.claim))
                    self._demand(
                        found == event.kind,
                        f"I8: claim {event.claim} of {job} was acknowledged as {event.kind} and is {found}",
                    )

    def _dependencies(self) -> None:
        """I7: a child is not started before what it waits for has ended."""
        ended: dict[str, float] = {}
        for job, events in self.by_job.items():
            # The engine knew of the end at some time after it was sent.
            sent = [e.at for e in events if e.what == "finishing" and e.kind == DONE]
            if sent:
                ended[job] = min(sent)
        for child, parent, mode in self.final.edges:
            starts = [event.at for event in self.by_job.get(child, ()) if event.what == "started"]
            if starts and mode == "all":
                known = ended.get(parent)
                self._demand(known is not None, f"I7: {child} ran, and its parent {parent} never did")
                self._demand(
                    known is None or known <= min(starts), f"I7: {child} ran before {parent} had ended"
                )

    def _counters(self) -> None:
        """I11: the engine's counters are the rows."""
        rows = Counter(job.status for job in self.final.jobs.values())
        self._demand(
            dict(rows) == self.final.counts, f"I11: counted {self.final.counts}, stored {dict(rows)}"
        )

    def _order(self) -> None:
        """I10: of one queue's jobs that were there before the first claim, each is claimed in its turn."""
        first: dict[str, int] = {}
        begin = min((e.at for events in self.by_job.values() for e in events), default=0.0)
        for job, events in self.by_job.items():
            first[job] = min(event.claim for event in events)
        queues: dict[str, list[FinalJob]] = defaultdict(list)
        for job in sorted(first, key=lambda job: first[job]):
            if self.acked.get(job, begin) < begin and not self.sent[job].parents:
                queues[self.final.jobs[job].queue].append(self.final.jobs[job])
        for name, jobs in queues.items():
            keys = [(-job.priority, job.seq) for job in jobs]
            self._demand(keys == sorted(keys), f"I10: queue {name} was not claimed in order")


def check(histories: Iterable[Path], db_path: str | Path, **options: Any) -> Report:
    """Check the logs against the file; see `Checker.check` for the options."""
    events = [event for path in histories for event in read(path)]
    return Checker(events, read_final(db_path)).check(**options)


def main(arguments: list[str] | None = None) -> int:
    """Check from the command line."""
    parser = argparse.ArgumentParser(prog="queuack_store.testing.checker", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("logs", type=Path, nargs="+")
    parser.add_argument("--faults", type=int, default=0, help="processes killed and claims lost")
    parser.add_argument("--in-hand", type=int, default=1, help="jobs that each of them may have had in hand")
    parser.add_argument("--live", action="store_true", help="the queue was not drained")
    chosen = parser.parse_args(arguments)
    report = check(
        chosen.logs, chosen.file, faults=chosen.faults, in_hand=chosen.in_hand, drained=not chosen.live
    )
    sys.stdout.write(f"{report}\n")
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
