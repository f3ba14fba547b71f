"""Mixed jobs while children are killed at random: nothing lost, nothing stuck, flat memory above them."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable

import psutil
import pytest
import worker_jobs as jobs
from queuack_store import DuckQueue
from worker_pools import RunningPool

WAIT_S = 600.0
Start = Callable[..., RunningPool]


def soak(queue: DuckQueue, pool: RunningPool, count: int, seed: int, every_s: float) -> int:
    """Run `count` jobs under fire; return how many children were killed."""
    draw = random.Random(seed)
    kills = 0
    over = threading.Event()
    goal = queue.stats()["done"] + count

    def fire() -> None:
        nonlocal kills
        while not over.wait(every_s):
            pids = pool.supervisor.pids
            if pids:
                try:
                    os.kill(draw.choice(pids), signal.SIGKILL)
                    kills += 1
                except ProcessLookupError:
                    pass

    shooter = threading.Thread(target=fire)
    shooter.start()
    kinds = [
        (jobs.add, (1, 2)),
        (jobs.add, (3, 4)),
        (jobs.nap, (0.002,)),
        (jobs.sleep_async, (0.002,)),
        (jobs.ctx_last, (1,)),
        (jobs.nothing, ()),
    ]
    ids: list[str] = []
    try:
        while len(ids) < count:
            batch = [(*draw.choice(kinds), {}) for _ in range(min(5_000, count - len(ids)))]
            ids += queue.enqueue_batch(batch, max_attempts=1_000)
        for job_id in ids[-200:]:
            queue.wait(job_id, WAIT_S)
        # The last in line have ended; those that were killed on the way run again.
        while queue.stats()["done"] < goal:
            for (left,) in queue.sql(
                "SELECT id FROM jobs WHERE status <> 'done' ORDER BY seq LIMIT 50", timeout=60
            ):
                queue.wait(str(left), WAIT_S)
    finally:
        over.set()
        shooter.join()
    stats = queue.stats()
    assert stats["done"] == goal
    assert not any(stats[state] for state in ("pending", "claimed", "delayed", "failed", "cancelled"))
    return kills


def test_a_short_soak(shared: DuckQueue, pool_of: Start) -> None:
    pool = pool_of(2, concurrency=2)
    soak(shared, pool, 3_000, seed=7, every_s=0.3)


@pytest.mark.prove
@pytest.mark.timeout(1_800)
def test_a_long_soak(shared: DuckQueue, pool_of: Start) -> None:
    pool = pool_of(4, concurrency=2)
    soak(shared, pool, 20_000, seed=1, every_s=1.0)
    me = psutil.Process()
    before = me.memory_info().rss
    kills = soak(shared, pool, 180_000, seed=2, every_s=1.0)
    grown = me.memory_info().rss - before
    print(f"200,000 jobs, {kills} children killed, the supervisor's process grew by {grown >> 20} MB")
    assert kills > 5
    assert grown < 64 << 20  # the ids of 180,000 jobs are held here too
