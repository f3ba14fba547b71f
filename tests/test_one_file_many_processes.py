"""Four producers, a worker with two processes and a reader share a file, and any one of them is killed.

Nothing is lost, nothing meets an error, nothing waits for a time-out, and only the DuckDB file is left.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from queuack_store import DuckQueue, JobStatus
from queuack_store.sharing.places import Place
from queuack_store.testing.checker import Report, check
from queuack_store.testing.history import read

HERE = Path(__file__).parent / "crowd"
sys.path.insert(0, str(HERE))

from crowd_members import Producer  # noqa: E402

PATIENCE_S = 120.0
MEMBERS = ("produce", "produce", "produce", "produce", "read")
IN_HAND = 64  # jobs of a process that had ended and were not reported yet when it was killed
VICTIMS = {"owner": 6, "child": 6, "supervisor": 2, "produce": 4, "read": 2}  # how often each, in 20


class Crowd:
    """The processes over one file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.db = folder / "jobs.db"
        self.logs: list[Path] = []
        self.errors = folder / "errors"
        self.members: list[tuple[str, subprocess.Popen[bytes]]] = []
        self.worker = self.start_worker()
        for role in MEMBERS:
            self.join(role)

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        with self.errors.open("ab") as errors:
            return subprocess.Popen([sys.executable, *command], stdin=subprocess.PIPE, stderr=errors)

    def new_log(self) -> Path:
        self.logs.append(self.folder / f"{len(self.logs)}.log")
        return self.logs[-1]

    def join(self, role: str) -> None:
        log = self.new_log()
        arguments = [role, str(self.db), str(log), str(len(self.logs))]
        self.members.append((role, self._start([str(HERE / "crowd_members.py"), *arguments])))

    def start_worker(self) -> subprocess.Popen[bytes]:
        options = ["--processes", "2", "--app", str(HERE), "--log-level", "error"]
        return self._start(["-c", "from queuack_worker.cli import main; main()", str(self.db), *options])

    def kill(self, who: str, chance: random.Random) -> int:
        """Kill one process of a kind, see to it that another takes its place, and return its pid."""
        if who == "owner":
            return _kill(Place(self.db).announced()[0])
        if who == "child":
            return _kill(chance.choice(self._until_children()))
        if who == "supervisor":
            pid = _kill(self.worker.pid)
            self.worker.communicate()
            self.worker = self.start_worker()
            return pid
        place = chance.choice([n for n, (role, _) in enumerate(self.members) if role == who])
        member = self.members.pop(place)[1]
        pid = _kill(member.pid)
        member.communicate()
        self.join(who)
        return pid

    def _until_children(self) -> list[int]:
        found: list[int] = []

        def some() -> bool:
            found[:] = [child.pid for child in psutil.Process(self.worker.pid).children()]
            return bool(found)

        until(some, "the worker has children")
        return found

    def leave(self, queue: DuckQueue) -> None:
        """Let all of them finish and end in order."""
        for _, member in self.members:
            member.stdin.close()
        for role, member in self.members:
            assert member.wait(PATIENCE_S) == 0, f"{role}: {self.errors.read_text()}"
        until(lambda: _live(queue) == 0, "everything that was enqueued has ended")
        self.worker.send_signal(signal.SIGTERM)
        assert self.worker.wait(PATIENCE_S) == 0, self.errors.read_text()
        assert self.errors.read_text() == ""

    def end(self) -> None:
        for process in (self.worker, *(member for _, member in self.members)):
            for child in psutil.Process(process.pid).children() if process.poll() is None else ():
                child.kill()
            process.kill()
            process.communicate()


def until(true: Callable[[], bool], what: str) -> None:
    """Wait for something that no descriptor tells of."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.01)


def _kill(pid: int) -> int:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return pid


def _live(queue: DuckQueue) -> int:
    stats = queue.stats()
    return sum(stats[status] for status in ("pending", "waiting", "delayed", "claimed"))


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    made = Crowd(tmp_path)
    yield made
    made.end()


def _share_and_kill(crowd: Crowd, seed: int, kills: int, figures: Any) -> Report:
    chance = random.Random(seed)
    order = [who for who, share in VICTIMS.items() for _ in range(share)]
    answered: dict[str, list[float]] = {who: [] for who in VICTIMS}
    killed: dict[int, float] = {}
    with DuckQueue(crowd.db) as queue:
        probing = Producer(queue, crowd.new_log(), seed)
        queue.wait(probing.enqueue(rounds=1), PATIENCE_S)  # all are there
        for number in range(kills):
            if number % len(order) == 0:
                chance.shuffle(order)
            who = order[number % len(order)]
            pid, at = crowd.kill(who, chance), time.monotonic()
            if who == "child":
                killed[pid] = at
            # However the kill hit: a new job is taken, run and answered.
            queue.wait(probing.enqueue(priority=100, rounds=1), PATIENCE_S)
            answered[who].append(time.monotonic() - at)
        crowd.leave(queue)
        stats = queue.stats()
        assert stats["done"] == sum(stats[status] for status in JobStatus), stats
        lost = queue.sql("SELECT count(*) FROM job_attempts WHERE outcome = 'lost'").fetchone()
        assert lost == (0,), "a claim waited for its time-out, although its holder was dead"
    jobs = sorted(crowd.folder.glob("job-*.log"))
    left = {file.name for file in crowd.folder.iterdir()} - {file.name for file in (*crowd.logs, *jobs)}
    assert left == {"jobs.db", "jobs.db.lock", "jobs.db.log", "errors"}
    assert (crowd.folder / "jobs.db.lock").stat().st_size == 0
    report = check(
        [log for log in (*crowd.logs, *jobs) if log.exists()], crowd.db, faults=kills, in_hand=IN_HAND
    )
    restarted = _restarts(jobs, killed)
    figures(
        "four producers, a worker with two processes and a reader, any one killed",
        kills=kills,
        **report.figures,
        **{f"ms at the longest until a new job was run, {who} killed": _ms(answered[who]) for who in VICTIMS},
        **{
            "jobs cut off with their child": len(restarted),
            "ms at the longest until they ran": _ms(restarted),
        },
    )
    return report


def _restarts(jobs: list[Path], killed: dict[int, float]) -> list[float]:
    """Return how long after its process was killed each job that had started in it started elsewhere."""
    events = [event for log in jobs for event in read(log)]
    waited = []
    for pid, at in killed.items():
        own = list(read(path)) if (path := jobs[0].with_name(f"job-{pid}.log")).exists() else []
        ended = {event.claim for event in own if event.what == "ended"}
        for cut in (event for event in own if event.what == "started" and event.claim not in ended):
            again = [e.at for e in events if e.what == "started" and e.job == cut.job and e.at > at]
            assert again, f"job {cut.job} never ran again"
            waited.append(min(again) - at)
    return waited


def _ms(seconds: list[float]) -> int:
    return round(1_000 * max(seconds, default=0.0))


def test_a_shared_file_outlives_the_death_of_any_of_its_processes(crowd: Crowd, figures: Any) -> None:
    report = _share_and_kill(crowd, 40, 20, figures)
    assert report.ok, report
    assert report.acked > 100


@pytest.mark.prove
@pytest.mark.timeout(1_800)
def test_a_shared_file_outlives_a_hundred_deaths(crowd: Crowd, figures: Any) -> None:
    report = _share_and_kill(crowd, 41, 100, figures)
    assert report.ok, report
