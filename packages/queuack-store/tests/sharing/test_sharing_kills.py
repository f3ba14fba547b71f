"""Owner processes killed at every named step under four producers and four workers, each its own process."""

from __future__ import annotations

import os
import random
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from queuack_store.testing.checker import Report, check
from queuack_store.testing.failpoints import ANY, POINTS, doom, doomed
from queuack_store.testing.load import IN_HAND, drain

PATIENCE_S = 120.0
ROLES = ["producer"] * 4 + ["worker"] * 4
RARE = {"journal.rotated", "duckdb.checkpointed", "journal.released"}


def until(true: Callable[[], bool], what: str) -> None:
    """Wait for something that no descriptor tells of."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.002)


class Member:
    """One process of the crowd."""

    def __init__(self, db: Path, role: str, number: int) -> None:
        self.role = role
        self.log = db.with_name(f"{number}.log")
        command = [sys.executable, "-m", "queuack_store.testing.load", str(db), str(self.log)]
        command += ["--owner", "process", "--doomed-owners", "--role", role, "--seed", str(number)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def written(self) -> int:
        """Return how much it has to tell: every step of its work is a line."""
        return self.log.stat().st_size if self.log.exists() else 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


class Crowd:
    """Processes that share one file, and their histories."""

    def __init__(self, folder: Path) -> None:
        self.db = folder / "jobs.db"
        self.logs: list[Path] = []
        self.members: list[Member] = []

    def join(self, role: str) -> Member:
        """Start one more process."""
        member = Member(self.db, role, len(self.logs))
        self.logs.append(member.log)
        self.members.append(member)
        return member

    def leave(self) -> None:
        """Let every process stop by itself; none may have met an error."""
        members, self.members = self.members, []
        for member in members:
            member.process.stdin.close()
        for member in members:
            complaints = member.process.stderr.read()
            assert (member.process.wait(PATIENCE_S), complaints) == (0, "")
            member.process.stderr.close()

    def verdict(self, faults: int) -> Report:
        """Let all leave, run what is left, look at what lies there, and check the histories."""
        self.leave()
        self.logs.append(self.db.with_name("drain.log"))
        drain(self.db, self.logs[-1], owner="process")
        left = {file.name for file in self.db.parent.iterdir() if file not in self.logs}
        assert left <= {"jobs.db", "jobs.db.lock", "jobs.db.log", "jobs.db.doom", "jobs.db.doomed"}
        assert self.db.with_name("jobs.db.lock").stat().st_size == 0
        return check(self.logs, self.db, faults=faults, in_hand=IN_HAND)


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    made = Crowd(tmp_path)
    yield made
    for member in made.members:
        member.kill()


def _plans(seed: int, count: int) -> list[str]:
    """Return how so many owners die: at each named step in turn, at its first or a later coming-by."""
    chance = random.Random(seed)
    plans = []
    for number in range(count):
        point = (*POINTS, ANY)[number % (len(POINTS) + 1)]
        hit = chance.choice([1, 2, 3]) if point in RARE else chance.randint(1, 60)
        plans.append(f"{point}:{hit}" + (" always" if point in RARE or chance.random() < 0.3 else ""))
    return plans


def _until_all_died(db: Path, count: int) -> None:
    """Wait until so many doomed owners have been killed, one after the other."""
    for number in range(count):
        until(lambda number=number: len(doomed(db)[1]) > number, "the next client that asks starts it")
        try:
            watch = os.pidfd_open(doomed(db)[1][number])
        except ProcessLookupError:
            continue
        assert select.select([watch], [], [], PATIENCE_S)[0], f"owner {number} lives: {doomed(db)}"
        os.close(watch)


def _kill_owners(crowd: Crowd, seed: int, kills: int) -> Report:
    doom(crowd.db, _plans(seed, kills))
    for role in ROLES:
        crowd.join(role)
    _until_all_died(crowd.db, kills)
    return crowd.verdict(kills)


def test_owners_killed_at_every_step_lose_nothing(crowd: Crowd, figures: Any) -> None:
    report = _kill_owners(crowd, 30, 27)
    figures("an owner process killed at every step, eight clients", kills=27, **report.figures)
    assert report.ok, report


@pytest.mark.prove
@pytest.mark.timeout(3_600)
def test_five_hundred_owners_killed_at_every_step_lose_nothing(crowd: Crowd, figures: Any) -> None:
    report = _kill_owners(crowd, 31, 500)
    figures("an owner process killed at every step, eight clients", kills=500, **report.figures)
    assert report.ok, report


def _kill_clients(crowd: Crowd, seed: int, kills: int) -> Report:
    """Kill producers and workers in the middle of what they do, and replace them."""
    chance = random.Random(seed)
    for role in ROLES:
        crowd.join(role)
    for _ in range(kills):
        member = chance.choice(crowd.members)
        enough = member.written() + chance.randint(1, 4_000)
        until(lambda member=member, enough=enough: member.written() >= enough, "it works")
        member.kill()
        crowd.members.remove(member)
        crowd.join(member.role)
    return crowd.verdict(kills)


def test_clients_killed_in_their_work_lose_nothing(crowd: Crowd, figures: Any) -> None:
    report = _kill_clients(crowd, 32, 20)
    figures("producers and workers killed in the middle of their work", kills=20, **report.figures)
    assert report.ok, report


@pytest.mark.prove
@pytest.mark.timeout(3_600)
def test_a_thousand_clients_killed_in_their_work_lose_nothing(crowd: Crowd, figures: Any) -> None:
    report = _kill_clients(crowd, 33, 1_000)
    figures("producers and workers killed in the middle of their work", kills=1_000, **report.figures)
    assert report.ok, report
