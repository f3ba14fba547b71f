"""Whole queues under one seed, cut at every step; a failing seed is printed as the command for it."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("queuack_store.testing")

from queuack_store.testing import simulator  # noqa: E402
from queuack_store.testing.simulator import play, play_many  # noqa: E402

SEEDS = 300
PROVE_SEEDS = 20_000
CHUNK = 1_000


def test_every_seed_keeps_every_promise() -> None:
    failures = play_many(0, SEEDS)
    assert not failures, "\n".join(failures)


@pytest.mark.prove
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("first", range(SEEDS, SEEDS + PROVE_SEEDS, CHUNK))
def test_twenty_thousand_seeds_keep_every_promise(first: int) -> None:
    failures = play_many(first, CHUNK)
    assert not failures, "\n".join(failures)


def test_a_seed_is_played_again_step_by_step() -> None:
    told: list[list[str]] = [[], []]
    for lines in told:
        play(7, 120, lines.append)
    assert told[0] == told[1]
    assert len(told[0]) > 50


def test_a_run_meets_what_it_is_meant_to_meet() -> None:
    benches = [play(seed, 200).bench for seed in range(10)]
    assert sum(bench.crashes for bench in benches) > 20
    assert sum(bench.failed for bench in benches) > 20
    assert sum(len(bench.model.answers) for bench in benches) > 100


def test_a_failing_seed_names_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(seed: int, steps: int) -> None:
        raise AssertionError("a promise was broken")

    monkeypatch.setattr(simulator, "play", broken)
    (line,) = play_many(5, 1, 30)
    command, _, why = line.partition("  # ")
    assert command == "python -m queuack_store.testing.simulator --seed 5 --steps 30"
    assert why == "AssertionError: a promise was broken"
