"""What a new user does in an empty folder, with everything going wrong: every job is accounted for."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from queuack_store import DuckQueue, JobFailedError, JobStatus
from worker_commands import WAIT_S, Command
from worker_pools import gone

TASKS = """
import asyncio, ctypes, os, time

def note(n):
    with open("ledger", "a") as ledger:
        ledger.write(f"{n}\\n")
    return n

def slow(n):
    time.sleep(0.2)
    return note(n)

async def fetch(n):
    await asyncio.sleep(0.01)
    return note(n)

def crash(n):
    ctypes.string_at(0)

def leave(n):
    os._exit(4)

def forever(n):
    while True:
        pass
"""

# The other terminal: it says which jobs it was given ids for, as it goes.
ENQUEUE = """
import json, tasks
from queuack_store import DuckQueue

with DuckQueue() as queue:
    n = 0
    for round in range(30):
        ids = queue.enqueue_batch([(tasks.note, (n + i,), {}) for i in range(50)])
        ids += [queue.enqueue(tasks.slow, (n + 50 + i,)) for i in range(3)]
        ids += [queue.enqueue(tasks.fetch, (n + 53 + i,)) for i in range(7)]
        print(json.dumps(["good", ids]), flush=True)
        n += 60
        if round % 10 == 0:
            more = {"max_attempts": 2, "retry_delay": 0, "timeout_seconds": 0.5}
            bad = [queue.enqueue(func, (0,), **more) for func in (tasks.crash, tasks.leave, tasks.forever)]
            print(json.dumps(["bad", bad]), flush=True)
"""

HOW_IT_ENDED = "the worker process .* died of|the worker died|the job ended its process|JobTimeoutError"


class Terminal:
    """The process that enqueues, and what it was promised."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", ENQUEUE], cwd=folder, stdout=subprocess.PIPE, text=True
        )
        self.ids: dict[str, list[str]] = {"good": [], "bad": []}

    def read(self, rounds: int | None = None) -> None:
        """Take what it says: so many lines, or all until its end."""
        assert self.process.stdout is not None
        for count, line in enumerate(self.process.stdout, 1):
            kind, ids = json.loads(line)
            self.ids[kind] += ids
            if count == rounds:
                return
        assert self.process.wait(WAIT_S) == 0


def children(command: Command) -> list[int]:
    """Return the children that live, as far as the log tells."""
    told = {name: [] for name in ("child_started", "child_died", "child_ended")}
    for line in command.lines:
        told.get(line.get("event", ""), []).append(line.get("pid"))
    return sorted(set(told["child_started"]) - {*told["child_died"], *told["child_ended"]})


def shoot(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # its own job was quicker
            os.kill(pid, signal.SIGKILL)


def test_every_job_is_accounted_for(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    first = Command(tmp_path, "--processes", "8", "--grace", "1")
    first.wait_for("child_ready", 8)
    terminal = Terminal(tmp_path)
    terminal.read(3)
    with DuckQueue(tmp_path / "duckqueue.db") as queue:
        queue.wait(terminal.ids["good"][-1], WAIT_S)
        shoot(children(first)[:3])
        first.wait_for("child_died", 3)
        terminal.read(5)
        queue.wait(terminal.ids["good"][-1], WAIT_S)

        orphans = children(first)
        first.process.kill()  # the supervisor
        assert first.process.wait(WAIT_S) == -signal.SIGKILL
        assert all(gone(pid) for pid in orphans)

        second = Command(tmp_path, "--processes", "8", "--grace", "1")
        second.wait_for("child_ready", 8)
        terminal.read()
        queue.wait(terminal.ids["good"][len(terminal.ids["good"]) // 2], WAIT_S)
        second.process.send_signal(signal.SIGTERM)
        assert second.end() == 0, second.text
        assert queue.stats()["claimed"] == 0

        third = Command(tmp_path, "--processes", "8", "--grace", "1")
        account_for(queue, terminal, tmp_path)
        third.process.send_signal(signal.SIGTERM)
        assert third.end() == 0, third.text


def account_for(queue: DuckQueue, terminal: Terminal, folder: Path) -> None:
    """Wait for every job that was promised; check that each ended as it should, and nothing else is there."""
    good, bad = terminal.ids["good"], terminal.ids["bad"]
    while left := list(queue.sql("SELECT id FROM jobs WHERE completed_at IS NULL LIMIT 1")):
        ended(queue, str(left[0][0]))
    for place in range(0, len(good), 50):
        assert queue.wait(good[place], WAIT_S) == place
    ends = [ended(queue, job_id) for job_id in bad]
    assert [job.status for job in ends] == [JobStatus.FAILED] * 9
    assert all(re.match(HOW_IT_ENDED, job.error) for job in ends), [job.error for job in ends]
    assert any("SIGSEGV" in job.error for job in ends)
    stats = queue.stats()
    assert (stats["done"], stats["failed"]) == (len(good), len(bad))
    assert sum(stats.values()) == len(good) + len(bad)
    ledger = Counter(int(line) for line in (folder / "ledger").read_text().split())
    assert ledger.keys() == set(range(len(good)))
    again = sum(ledger.values()) - len(good)
    assert again <= 3 + 8 + 8 * 2, "more ran twice than were in the hands of what was killed"


def ended(queue: DuckQueue, job_id: str) -> Any:
    """Wait for the end of a job, however it ends."""
    with suppress(JobFailedError):
        queue.wait(job_id, WAIT_S)
    return queue.get_job(job_id)
