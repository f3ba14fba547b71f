"""Real processes under load, killed at every named step and at any moment: what was acknowledged is there."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from queuack_store.testing.checker import Report, check
from queuack_store.testing.failpoints import ANY, POINTS, KillAt
from queuack_store.testing.load import IN_HAND, drain

# Those of a checkpoint come by only when one is due: then after every batch.
RARE = {"journal.rotated", "duckdb.checkpointed", "journal.released"}


class Victims:
    """One file, and the processes that are killed over it, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.db = folder / "jobs.db"
        self.folder = folder
        self.logs: list[Path] = []

    def kill(self, *options: str) -> None:
        """Start a process under load and wait until it has been killed."""
        log = self.folder / f"{len(self.logs)}.log"
        self.logs.append(log)
        command = [sys.executable, "-m", "queuack_store.testing.load", str(self.db), str(log)]
        command += ["--seed", str(len(self.logs)), *options]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        assert not ended.stderr

    def verdict(self, drained: bool = True) -> Report:
        """Run what is left, and hold all histories against the file."""
        faults = len(self.logs)
        if drained:
            self.logs.append(self.folder / "drain.log")
            drain(self.db, self.logs[-1])
        return check(self.logs, self.db, faults=faults, in_hand=IN_HAND, drained=drained)


@pytest.fixture
def victims(tmp_path: Path) -> Victims:
    return Victims(tmp_path)


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_step(victims: Victims, point: str) -> None:
    rare = ["--checkpoint-always"] if point in RARE else []
    victims.kill("--kill", f"{point}:{2 if rare else 40}", *rare)
    victims.kill("--kill", f"{point}:1", *rare)
    report = victims.verdict()
    assert report.ok, report
    assert report.acked > 0


def test_killed_at_any_step(victims: Victims) -> None:
    chance = random.Random(20)
    for number in range(6):
        always = ["--checkpoint-always"] if number % 2 else []
        victims.kill("--kill", f"{ANY}:{chance.randint(1, 600)}", *always)
    report = victims.verdict()
    assert report.ok, report


def test_killed_at_any_moment(victims: Victims) -> None:
    chance = random.Random(21)
    for number in range(6):
        always = ["--checkpoint-always"] if number % 2 else []
        victims.kill("--kill-after", f"{chance.uniform(0.02, 0.5):.4f}", *always)
    report = victims.verdict()
    assert report.ok, report


@pytest.mark.prove
@pytest.mark.timeout(1_800)
def test_a_hundred_kills_over_one_file(victims: Victims) -> None:
    chance = random.Random(22)
    for number in range(100):
        always = ["--checkpoint-always"] if number % 2 else []
        victims.kill("--kill-after", f"{chance.uniform(0.02, 0.5):.4f}", *always)
    report = victims.verdict()
    print(report)
    assert report.ok, report


@pytest.mark.prove
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("seed", range(10))
def test_five_hundred_kills(victims: Victims, seed: int) -> None:
    chance = random.Random(1_000 + seed)
    for number in range(50):
        always = ["--checkpoint-always"] if number % 2 else []
        if number % 3:
            victims.kill("--kill-after", f"{chance.uniform(0.02, 0.5):.4f}", *always)
        else:
            victims.kill("--kill", f"{ANY}:{chance.randint(1, 1_500)}", *always)
        if number % 10 == 9:
            assert (report := victims.verdict(drained=False)).ok, report
    report = victims.verdict()
    print(report)
    assert report.ok, report


def test_a_failpoint_has_a_known_name() -> None:
    with pytest.raises(ValueError, match="is no failpoint"):
        KillAt("journal.eaten", 1)


def test_the_checker_sees_what_is_wrong(victims: Victims, tmp_path: Path) -> None:
    victims.kill("--kill", "engine.replied:60")
    lines = victims.logs[0].read_text().splitlines()
    acked = next(line for line in lines if '"acked"' in line)
    other = acked.replace(acked.split('"job":"')[1][:8], "ffffffff")
    tampered = [other.replace('"acked"', '"sent"'), other, *lines]
    victims.logs[0].write_text("\n".join(tampered) + "\n")
    report = victims.verdict()
    assert len(report.lost) == 1
    sent = next(line for line in lines if '"sent"' in line)
    victims.logs[0].write_text("\n".join(line for line in lines if line != sent) + "\n")
    assert len(check(victims.logs, victims.db, faults=1, in_hand=IN_HAND).unexpected) == 1
