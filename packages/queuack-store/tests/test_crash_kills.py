"""Real processes under load, killed at every named step and at any moment: what was acknowledged is there.

Here the engine is in the process that is killed; `sharing/test_sharing_kills.py` kills owner processes.
"""

from __future__ import annotations

import random
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
        command = [sys.executable, "-m", "queuack_store.testing.load", "--lives"]
        self._lives = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def kill(self, *options: str) -> None:
        """Start a process under load and wait until it has been killed."""
        log = self.folder / f"{len(self.logs)}.log"
        self.logs.append(log)
        life = [str(self.db), str(log), "--seed", str(len(self.logs)), *options]
        self._lives.stdin.write(shlex.join(life) + "\n")
        self._lives.stdin.flush()
        ended = self._lives.stdout.readline().strip()
        assert ended == str(-signal.SIGKILL), self.end()

    def end(self) -> str:
        """Start no more; return what the processes complained of."""
        return "" if self._lives.returncode is not None else self._lives.communicate(timeout=60)[1]

    def verdict(self, drained: bool = True) -> Report:
        """Run what is left, and hold all histories against the file."""
        faults = len(self.logs)
        if drained:
            assert self.end() == ""
            self.logs.append(self.folder / "drain.log")
            drain(self.db, self.logs[-1])
        return check(self.logs, self.db, faults=faults, in_hand=IN_HAND, drained=drained)


@pytest.fixture
def victims(tmp_path: Path) -> Iterator[Victims]:
    made = Victims(tmp_path)
    yield made
    made.end()


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_step(victims: Victims, point: str) -> None:
    rare = ["--checkpoint-always"] if point in RARE else []
    for hit in (2, 1) if rare else (40, 7, 1):
        victims.kill("--kill", f"{point}:{hit}", *rare)
    report = victims.verdict()
    assert report.ok, report
    assert report.acked > 0


def _kill_at_any_moment(victims: Victims, seed: int, kills: int) -> None:
    """Kill at any time from before the file is opened on, every third time at the n-th step of any kind."""
    chance = random.Random(seed)
    for number in range(kills):
        always = ["--checkpoint-always"] if number % 2 else []
        if number % 3:
            victims.kill("--kill-after", f"{chance.uniform(0.0, 0.3):.4f}", *always)
        else:
            victims.kill("--kill", f"{ANY}:{chance.randint(1, 150)}", *always)


def test_a_process_killed_a_hundred_times_finds_every_acknowledged_job_again(
    victims: Victims, figures: Any
) -> None:
    _kill_at_any_moment(victims, 20, 100)
    report = victims.verdict()
    figures("a process with its own engine, killed at any moment", kills=100, **report.figures)
    assert report.ok, report
    assert report.acked > 100


@pytest.mark.prove
@pytest.mark.timeout(1_800)
def test_a_process_killed_five_hundred_times_finds_every_acknowledged_job_again(
    victims: Victims, figures: Any
) -> None:
    for seed in range(10):
        _kill_at_any_moment(victims, 1_000 + seed, 50)
        assert (report := victims.verdict(drained=False)).ok, report
    report = victims.verdict()
    figures("a process with its own engine, killed at any moment", kills=500, **report.figures)
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
