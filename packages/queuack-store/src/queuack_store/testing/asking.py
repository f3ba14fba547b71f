"""What simulated clients ask: every kind of request, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec

from queuack_store.jobs import Growth, Memo, NewJob, NewRun, Outcome
from queuack_store.requests import (
    Cancel,
    Claim,
    Enqueue,
    Finish,
    GetJob,
    GetResults,
    Heartbeat,
    HoldBack,
    Pause,
    Purge,
    Request,
    Reschedule,
    Retry,
    Stats,
    Verdict,
    Wait,
    WaitRun,
)
from queuack_store.retry import RetryPolicy
from queuack_store.states import ENDED, WAITING
from queuack_store.testing.bench import Bench
from queuack_store.testing.clients import Client

QUEUES = ("a", "b", "c")
MAX_JOBS = 60  # live ones; a step that would add more drains instead


class Wishes:
    """Draws requests."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.bench = Bench()
        self.made: list[bytes] = []
        self.run_ids: list[bytes] = []
        self.clients: list[Client] = []

    def _bytes(self) -> bytes:
        return self.random.getrandbits(128).to_bytes(16, "big")

    def _request(self, client: Client) -> Request:
        live = sum(1 for job in self.bench.model.jobs.values() if job.status not in ENDED)
        kinds: list[Callable[[Client], Request]] = [self._enqueue, self._claim, self._claim, self._finish]
        kinds += [self._finish, self._finish, self._manage, self._question]
        if live >= MAX_JOBS:
            kinds = kinds[1:]
        return self.random.choice(kinds)(client)

    def _enqueue(self, _: Client) -> Request:
        chance, runs = self.random.random(), []
        run_id = None
        if chance < 0.25:
            above = self.random.choice([None, *self._live_runs()])
            run_id = self._bytes()
            runs = [NewRun(run_id, "run", parent_id=above)]
            self.run_ids.append(run_id)
        count = self.random.choice([1, 1, 2, 5, 9])
        jobs: list[NewJob] = []
        for _place in range(count):
            jobs.append(self._new_job(jobs, run_id))
        self.made += [job.id for job in jobs]
        return Enqueue(jobs, runs=runs)

    def _live_runs(self) -> list[bytes]:
        return [run_id for run_id in self.run_ids[-5:] if run_id in self.bench.core.state.runs]

    def _new_job(self, earlier: list[NewJob], run_id: bytes | None) -> NewJob:
        rnd = self.random
        pool = self.made[-12:] + [job.id for job in earlier]
        parents: list[bytes] = []
        if pool and rnd.random() < 0.5:
            parents = rnd.sample(pool, min(len(pool), rnd.randint(1, 3)))
        if rnd.random() < 0.01:
            parents.append(self._bytes())  # a parent that never was
        return NewJob(
            id=self._bytes(),
            task="tests:task",
            payload=b"p" * rnd.randint(0, 9),
            queue=rnd.choice(QUEUES),
            priority=rnd.choice([0, 50, 50, 50, 100]),
            max_attempts=rnd.randint(1, 3),
            delay_s=rnd.choice([0.0, 0.0, 0.0, 0.5, 2.0, 30.0]),
            parents=tuple(parents),
            mode=rnd.choice(["all", "all", "any", "always"]),
            run_id=run_id,
            retry=rnd.choice([RetryPolicy(), RetryPolicy(0.0), RetryPolicy(5.0, 1.0, 0.0)]),
            expires_s=rnd.choice([None, None, None, None, None, 3.0, 30.0]),
        )

    def _claim(self, _: Client) -> Request:
        rnd = self.random
        names = rnd.sample(QUEUES, rnd.randint(1, len(QUEUES)))
        run_id = rnd.choice(self.run_ids[-5:]) if self.run_ids and rnd.random() < 0.2 else None
        return Claim(
            [(name, rnd.choice([0, 0, 100])) for name in names],
            count=rnd.choice([1, 2, 8]),
            idle=rnd.choice([0, 1, 1, 2]),
            wait_s=rnd.choice([0.0, 0.0, 20.0]),
            claim_timeout_s=rnd.choice([15.0, 300.0]),
            run_id=run_id,
            whole=rnd.random() < 0.5,
        )

    def _finish(self, client: Client) -> Request:
        rnd = self.random
        if rnd.random() < 0.3 and client.holds:
            return Finish(started=rnd.sample(list(client.holds.items()), 1))
        if not client.holds:
            return Finish([Outcome(rnd.choice(self.made), rnd.randint(0, 40))] if self.made else [])
        kind = rnd.choice(["done", "done", "done", "failed", "failed", "returned", "cancelled", "skipped"])
        facts: dict[str, Any] = {"final": rnd.random() < 0.2} if kind == "failed" else {}
        if kind == "returned":
            facts["delay_s"] = rnd.choice([None, None, 2.0])
        if kind == "done":
            facts["result"] = rnd.choice([None, b"r"])
        if rnd.random() < 0.3:
            facts["growth"] = self._growth()
            if rnd.random() < 0.3:
                held = rnd.sample(list(client.holds.items()), 1)
                return Finish([Outcome(job, claim, "grown", growth=facts["growth"]) for job, claim in held])
        return client.finish(rnd.randint(1, 4) if "growth" not in facts else 1, kind, **facts)

    def _growth(self) -> Growth:
        rnd = self.random
        states = self.bench.model.jobs.values()
        waiting = [job for job in states if job.status == WAITING]
        fed = tuple(job.id for job in rnd.sample(waiting, min(len(waiting), rnd.choice([0, 1, 1, 2]))))
        run_id = rnd.choice([None, self._bytes()])
        jobs: list[NewJob] = []
        for _place in range(rnd.randint(0, 3)):
            job = self._new_job(jobs, run_id)
            outside = tuple(p for p in job.parents if p not in fed)
            jobs.append(msgspec.structs.replace(job, parents=outside, feeds=fed))
        if run_id is not None:
            self.run_ids.append(run_id)
        self.made += [job.id for job in jobs]
        closed = [job.id for job in rnd.sample(waiting, min(len(waiting), rnd.choice([0, 0, 1])))]
        runs = [NewRun(run_id, "grown", parent_id=rnd.choice([None, *self._live_runs()]))] if run_id else []
        memo = Memo(self._bytes()) if rnd.random() < 0.3 else None
        return Growth(jobs, runs, closed, "not chosen", memo)

    def _manage(self, _: Client) -> Request:
        rnd = self.random
        some = rnd.choice(self.made[-30:]) if self.made else self._bytes()
        choices: list[Callable[[], Request]] = [
            lambda: Cancel(some),
            lambda: Cancel(some),
            lambda: Retry([some]),
            lambda: Retry(queue=rnd.choice([None, *QUEUES])),
            lambda: Pause(rnd.choice(QUEUES), rnd.random() < 0.4),
            lambda: Reschedule(some, rnd.choice([None, 0, 50, 100]), rnd.choice([None, 0.0, 2.0, 30.0])),
            self._verdict,
            lambda: Purge(rnd.choice([None, *QUEUES]), rnd.choice(sorted(ENDED)), rnd.choice([0.0, 10.0])),
        ]
        return rnd.choice(choices)()

    def _verdict(self) -> Request:
        """Judge what some client holds, or held, or never did."""
        rnd = self.random
        held = [pair for client in self.clients for pair in client.holds.items()]
        held += list(self.bench.core.state.unexplained)[-3:]
        if self.made:
            held.append((rnd.choice(self.made), rnd.randint(0, 40)))
        named = rnd.sample(held, min(len(held), rnd.randint(1, 4)))
        cut = rnd.randint(0, len(named))
        return Verdict(named[:cut], "killed", rnd.choice([None, 1 << 20]), named[cut:], rnd.random() < 0.3)

    def _question(self, _: Client) -> Request:
        rnd = self.random
        some = rnd.choice(self.made) if self.made else self._bytes()
        choices: list[Callable[[], Request]] = [
            lambda: Stats(rnd.choice([None, *QUEUES])),
            lambda: GetJob(some),
            lambda: Wait(some),
            lambda: GetResults([some]),
            lambda: Heartbeat(rnd.choice([0.0, 5.0])),
            lambda: HoldBack([rnd.choice(QUEUES)], "worker", rnd.choice(["", "memory 95% used, limit 90%"])),
            lambda: WaitRun(rnd.choice(self.run_ids)) if self.run_ids else Stats(),
        ]
        return rnd.choice(choices)()
