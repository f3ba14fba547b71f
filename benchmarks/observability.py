"""What it costs to see: the same no-op jobs with everything on and with everything off, in turns.

Off: no metrics served, no hooks, lines at level error. On: metrics scraped in every third run, which is
once a second of work, all four hooks (a job that succeeds calls two of them), JSON lines at level info.

One run differs from the next by a tenth, for reasons of the owner's own (a checkpoint, another rhythm of
reading back), and machines get slower and faster meanwhile. So all workers live at once, each on a file of
its own, and take short turns, forth and back (off, on, lines, lines, on, off …), each until all is in its
file. A figure is the median of the ratios of neighbours in twelve such rounds (the median of those that were
scraped counts a third). All of it is repeated with new processes and files, as one process differs from the
next by a few percent for as long as it lives; the spread of the figures is how far they are to be trusted
(`within`: twice the standard error).
Compared are the processor time of owner, supervisor and children for each job, which a busy machine disturbs
less; the throughput, from the first enqueue to the last end; and what a job takes in the children alone,
where the hooks run, which is the steadiest. The counters can't be switched off; what they take is measured
in the engine's core alone, with and without them. Jobs that report are a row of their own.

    python benchmarks/observability.py [--quick] [--runs N] [--folder PATH] [--json PATH]
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a script: this folder's queue.py would hide the standard library's
    sys.path.remove(str(Path(__file__).resolve().parent))
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import argparse
import socket
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest import mock

from queuack_store import DuckQueue, ids
from queuack_store.engine.core import Applied, Core
from queuack_store.engine.handlers import endings
from queuack_store.engine.inbox import Ask, OpenSession
from queuack_store.engine.state import State
from queuack_store.jobs import ClaimedJob, NewJob, Outcome, SessionInfo
from queuack_store.requests import Claim, Enqueue, Finish, Request

from benchmarks import measuring
from benchmarks.loads.chatty import say
from benchmarks.loads.stage import BATCH, Stage, owner_pid, warm, worker
from benchmarks.loads.tasks import noop
from benchmarks.measuring import Row, children, cpu_s, row, wait_until

LIBRARIES = ["queuack-store", "queuack-worker", "prometheus-client", "duckdb"]
PROCESSES = 2
HOOK = "benchmarks.loads.chatty:hear"
HOOKS = [f"--on-{name}={HOOK}" for name in ("start", "success", "failure", "death")]
SIGHTS: dict[str, list[str] | None] = {"off": None, "everything on": HOOKS, "metrics and lines": []}
ROUNDS = 12  # that give one figure
SCRAPED = 3  # one round of so many: a run takes a third of a second
CYCLE_JOBS = 64  # of one request when the core is measured alone
TABLE = "observability"


def main() -> None:
    """Measure, print it and write it down."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    parser.add_argument(
        "--runs", type=int, help="figures of twelve rounds each, after a warm-up (12; quick: 3)"
    )
    parser.add_argument("--folder", type=Path, help="where to work (a temporary folder)")
    parser.add_argument("--json", metavar="PATH", help="where to write the results")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="queuack-bench-", dir=asked.folder) as folder:
        facts = measuring.machine(folder, LIBRARIES)
        facts["profile"] = "quick" if asked.quick else "full"
        print(" · ".join(f"{key} {value}" for key, value in facts.items()), flush=True)
        stage = Stage(Path(folder), asked.runs or (3 if asked.quick else 12), asked.quick, (0,))
        rows = []
        for one in measure(stage):
            measuring.show([one])
            rows.append(one)
            measuring.save(asked.json, facts, rows)


def measure(stage: Stage) -> Iterator[Row]:
    """Yield the cost of all, of its parts, and of jobs that report."""
    jobs = 20_000  # in a quick run too, for the scrapes' sake
    settings = {"jobs": jobs, "processes": PROCESSES}
    blocks = [_block(stage, jobs, number) for number in range(stage.runs)]
    for name in list(SIGHTS)[1:]:
        ratios = _compared(blocks, name, lambda seen, blind: seen.cpu_us / blind.cpu_us)
        yield _told(f"no-op jobs, {name}", ratios, "× CPU of off", settings)
        slower = _compared(blocks, name, lambda seen, blind: blind.rate / seen.rate)
        yield _told(f"no-op jobs, {name}: throughput", slower, "× slower than off", settings)
        added = _compared(blocks, name, lambda seen, blind: seen.children_us - blind.children_us)
        yield _told(f"no-op jobs, {name}: added in the children", added, "µs of CPU", settings)
    bare = _compared(blocks, "off", lambda _seen, blind: blind.cpu_us)
    yield _told("a no-op job, everything off", bare, "µs of CPU", settings)
    with _worked(stage, None) as off:
        chatty = [off(say, jobs // 2, False).cpu_us for _ in range(stage.runs + 1)][1:]
    yield _told("a job that reports and logs once", chatty, "µs of CPU", settings | {"jobs": jobs // 2})
    counters = [_core_pair(stage) for _ in range(stage.runs)]
    yield _told("a job's counters, in the core", counters, "µs of CPU", {"jobs in a request": CYCLE_JOBS})


class Ran(NamedTuple):
    """What jobs took: µs of processor time for each, also in the children alone, and how many a second."""

    cpu_us: float
    children_us: float
    rate: float


Drain = Callable[[Callable[[int], object], int, bool], Ran]
Rounds = list[dict[str, Ran]]


def _block(stage: Stage, jobs: int, number: int) -> Rounds:
    """Let new workers take turns, forth and back, as what drifts hits all alike; without the first round."""
    names = list(SIGHTS)[number % len(SIGHTS) :] + list(SIGHTS)[: number % len(SIGHTS)]
    with ExitStack() as stack:
        drains = {name: stack.enter_context(_worked(stage, SIGHTS[name])) for name in names}
        rounds = []
        for turn in range(ROUNDS + 1):
            order = names if turn % 2 else names[::-1]
            rounds.append({name: drains[name](noop, jobs, turn % SCRAPED == 1) for name in order})
    stage.sweep()
    return rounds[1:]


def _compared(blocks: list[Rounds], name: str, compare: Callable[[Ran, Ran], float]) -> list[float]:
    """Return a figure for each block: the median of its rounds, each compared with its neighbour.

    Those that were scraped, the first of every three, have a median of their own that counts a third.
    """
    found = []
    for block in blocks:
        figures = [compare(one[name], one["off"]) for one in block]
        calm = [figure for turn, figure in enumerate(figures) if turn % SCRAPED]
        scraped, others = statistics.median(figures[::SCRAPED]), statistics.median(calm)
        found.append((scraped + (SCRAPED - 1) * others) / SCRAPED)
    return found


def _told(measure: str, values: Sequence[float], unit: str, settings: dict[str, Any]) -> Row:
    """Return a row that says within what its figure is to be trusted: twice its standard error."""
    within = 2 * statistics.stdev(values) / len(values) ** 0.5
    return row(TABLE, measure, values, unit, settings=settings | {"within": f"±{within:.2g}"})


@contextmanager
def _worked(stage: Stage, options: list[str] | None) -> Iterator[Drain]:
    """Have workers on a file of their own (options None: everything off).

    Gives a function that runs jobs there, from enqueueing until they are in the file; the processor time is
    that of owner, supervisor and children.
    """
    path, port = stage.file(), _free_port()
    seen = ["--no-metrics"] if options is None else [*options, f"--metrics-port={port}", "--log-level=info"]
    lines = f"{path}.lines"
    with (
        DuckQueue(path) as queue,
        worker(path, PROCESSES, options=["--log-format=json", *seen], lines=lines) as supervisor,
    ):
        wait_until(lambda: len(children(supervisor.pid)) == PROCESSES, "the children")
        warm(queue)
        mine = children(supervisor.pid)
        pids = [owner_pid(path), supervisor.pid, *mine]

        def drain(task: Callable[[int], object], jobs: int, scraped: bool) -> Ran:
            target = queue.stats()["done"] + jobs
            before, before_in_children, began = cpu_s(*pids), cpu_s(*mine), time.monotonic()
            for start in range(0, jobs, BATCH):
                queue.enqueue_batch([(task, (i,)) for i in range(start, min(jobs, start + BATCH))])
            if scraped and options is not None:
                _scrape(port)
            wait_until(lambda: queue.stats()["done"] >= target, f"{jobs:,} jobs")
            seconds = time.monotonic() - began
            queue.sql("SELECT 1")  # waits until all is in the file: no work of this run is left to the next
            in_children = cpu_s(*mine) - before_in_children
            return Ran((cpu_s(*pids) - before) / jobs * 1e6, in_children / jobs * 1e6, jobs / seconds)

        yield drain


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _scrape(port: int) -> None:
    """Read the metrics, as Prometheus would."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as page:
        assert b"queuack_jobs_succeeded_total" in page.read()


def _core_pair(stage: Stage) -> float:
    """Return what the counters add to the core's processor time for each job, in µs."""
    jobs = stage.some(100_000)
    cells = [0.0] * 100
    counted = _core_cost(jobs)
    with (
        mock.patch.object(State, "tally", lambda _self, _job: cells),  # noqa: PT008
        mock.patch.object(endings, "observe", lambda *_args: None),  # noqa: PT008
    ):
        return (counted - _core_cost(jobs)) * 1e6


def _core_cost(jobs: int) -> float:
    """Enqueue, claim and finish jobs in a core without journal and rows, a request each for 64 of them."""
    core, session = Core(), ids.new_id()
    now = 1_000.0

    def ask(request: Request) -> list[ClaimedJob]:
        nonlocal now
        now += 0.001
        item = Ask(session, request, _Silent())
        decision = core.decide([item], now)
        core.accept()
        if decision.record is not None:
            core.decide([Applied(decision.record.cycle)], now)
            core.accept()
        return next((value for _, value in decision.replies), [])  # type: ignore[no-any-return]

    ask(OpenSession(SessionInfo(session), []))
    began = time.process_time()
    for _ in range(0, jobs, CYCLE_JOBS):
        ask(Enqueue([NewJob(ids.new_id(), "m:noop", b"x") for _ in range(CYCLE_JOBS)]))
        claimed = ask(Claim([("default", 1)], CYCLE_JOBS, CYCLE_JOBS, whole=True))
        ask(Finish([Outcome(job.id, job.claim, duration_s=0.0001) for job in claimed]))
    return (time.process_time() - began) / jobs


class _Silent:
    """A sink that nobody listens to."""

    def reply(self, _ask: Ask, _value: object) -> None:
        """Take a reply."""

    def flush(self) -> None:
        """Send nothing."""


if __name__ == "__main__":
    main()
