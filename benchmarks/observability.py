"""What it costs to see: the same no-op jobs with everything on and with everything off, in turns.

Off: no metrics served, no hooks, lines at level error. On: metrics scraped every second, all four hooks (a
job that succeeds calls two of them), JSON lines at level info. Compared are the processor time of owner,
supervisor and children for each job, which a busy machine disturbs less, and the throughput, from the first
enqueue to the last end, for each pair of neighbouring runs. The counters can't be switched off; what they
take is measured in the engine's core alone, with and without them. Jobs that report are a row of their own.

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
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple
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
SCRAPE_S = 1.0
CYCLE_JOBS = 64  # of one request when the core is measured alone
TABLE = "observability"


def main() -> None:
    """Measure, print it and write it down."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a quarter of the work, fewer runs")
    parser.add_argument("--runs", type=int, help="pairs that count, after a warm-up (9; quick: 3)")
    parser.add_argument("--folder", type=Path, help="where to work (a temporary folder)")
    parser.add_argument("--json", metavar="PATH", help="where to write the results")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="queuack-bench-", dir=asked.folder) as folder:
        facts = measuring.machine(folder, LIBRARIES)
        facts["profile"] = "quick" if asked.quick else "full"
        print(" · ".join(f"{key} {value}" for key, value in facts.items()), flush=True)
        stage = Stage(Path(folder), asked.runs or (3 if asked.quick else 9), asked.quick, (0,))
        rows = []
        for one in measure(stage):
            measuring.show([one])
            rows.append(one)
            measuring.save(asked.json, facts, rows)


def measure(stage: Stage) -> Iterator[Row]:
    """Yield the cost of all, of its parts, and of jobs that report."""
    jobs = stage.some(50_000)
    settings = {"jobs": jobs, "processes": PROCESSES}
    bare: list[float] = []
    for name, options in (("everything on", HOOKS), ("metrics and lines", [])):
        with _worked(stage, None) as off, _worked(stage, options) as on:
            pairs = [_pair(off, on, jobs, turn) for turn in range(stage.runs + 1)][1:]
        bare += [blind.cpu_us for blind, _ in pairs]
        ratios = [seen.cpu_us / blind.cpu_us for blind, seen in pairs]
        yield row(TABLE, f"no-op jobs, {name}", ratios, "× CPU of off", settings=settings)
        slower = [blind.rate / seen.rate for blind, seen in pairs]
        yield row(TABLE, f"no-op jobs, {name}: throughput", slower, "× slower than off", settings=settings)
    yield row(TABLE, "a no-op job, everything off", bare, "µs of CPU", settings=settings)
    with _worked(stage, None) as off:
        chatty = [off(say, jobs // 4).cpu_us for _ in range(stage.runs + 1)][1:]
    yield row(TABLE, "a job that reports and logs once", chatty, "µs of CPU", settings=settings)
    counters = [_core_pair(stage) for _ in range(stage.runs)]
    settings = {"jobs in a request": CYCLE_JOBS}
    yield row(TABLE, "a job's counters, in the core", counters, "µs of CPU", settings=settings)


class Ran(NamedTuple):
    """What jobs took: µs of processor time for each, and how many ended in a second."""

    cpu_us: float
    rate: float


Drain = Callable[[Callable[[int], object], int], Ran]


def _pair(off: Drain, on: Drain, jobs: int, turn: int) -> tuple[Ran, Ran]:
    """Run both one after the other, the second first every other time: what drifts hits both alike."""
    if turn % 2:
        seen = on(noop, jobs)
        return off(noop, jobs), seen
    return off(noop, jobs), on(noop, jobs)


@contextmanager
def _worked(stage: Stage, options: list[str] | None) -> Iterator[Drain]:
    """Have workers on a file of their own (options None: everything off).

    Gives a function that runs jobs there, from enqueueing to the end; the processor time is that of owner,
    supervisor and children.
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
        pids = [owner_pid(path), supervisor.pid, *children(supervisor.pid)]

        def drain(task: Callable[[int], object], jobs: int) -> Ran:
            target = queue.stats()["done"] + jobs
            with _scraping(port, options is not None):
                before, began = cpu_s(*pids), time.monotonic()
                for start in range(0, jobs, BATCH):
                    calls = [(task, (i,)) for i in range(start, min(jobs, start + BATCH))]
                    queue.enqueue_batch(calls)
                wait_until(lambda: queue.stats()["done"] >= target, f"{jobs:,} jobs")
                seconds = time.monotonic() - began
                return Ran((cpu_s(*pids) - before) / jobs * 1e6, jobs / seconds)

        yield drain


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _scraping(port: int, wanted: bool) -> Iterator[None]:
    """Scrape as Prometheus would, fifteen times as often as it does by default."""
    stop = threading.Event()

    def scrape() -> None:
        while not stop.wait(SCRAPE_S):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as page:
                assert b"queuack_jobs_succeeded_total" in page.read()

    thread = threading.Thread(target=scrape)
    if wanted:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if wanted:
            thread.join()


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
