"""A process under load that may be killed at any moment: producers and workers over one file, with a history.

`python -m queuack_store.testing.load FILE LOG --seed 7 --kill journal.written:3`
`python -m queuack_store.testing.load --lives` reads such arguments, a life a line, and forks a process for
each that has imported everything already: it writes how each ended.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from queuack_store import ids
from queuack_store.errors import OwnerError, QueuackError, StorageFullError
from queuack_store.jobs import ClaimedJob, NewJob, Outcome
from queuack_store.opening import open_store
from queuack_store.requests import Claim, Enqueue, Finish, Stats
from queuack_store.retry import RetryPolicy
from queuack_store.states import DONE
from queuack_store.store import Store
from queuack_store.testing.failpoints import KillAt, install, start_doomed_owners
from queuack_store.testing.history import History

QUEUES = ("a", "b")
IN_HAND = 60  # jobs that its two workers may have in hand when it is killed
MAX_LIVE = 400  # producers rest above this, so that a long run stays small
SOON = RetryPolicy(0.01, 1.0, 0.0)


class Producer:
    """Enqueues batches: with parents, delays and priorities."""

    def __init__(self, store: Store, history: History, seed: int) -> None:
        self.store = store
        self.history = history
        self.random = random.Random(seed)
        self.made: list[bytes] = []

    def step(self) -> None:
        """Enqueue one batch."""
        jobs = [self._job() for _ in range(self.random.choice([1, 1, 3, 20]))]
        texts = ids.to_texts(job.id for job in jobs)
        for job, text in zip(jobs, texts, strict=True):
            facts = {"queue": job.queue, "max_attempts": job.max_attempts}
            self.history.note("sent", [text], parents=ids.to_texts(job.parents), **facts)
        self.store.call(Enqueue(jobs))
        self.history.note("acked", texts)
        self.made += [job.id for job in jobs]

    def _job(self) -> NewJob:
        rnd = self.random
        parents = rnd.sample(self.made[-20:], 1) if self.made and rnd.random() < 0.3 else []
        return NewJob(
            ids.new_id(),
            "load:job",
            rnd.randbytes(rnd.choice([10, 100, 5_000])),
            queue=rnd.choice(QUEUES),
            priority=rnd.choice([0, 50, 100]),
            max_attempts=rnd.randint(2, 4),
            delay_s=rnd.choice([0.0, 0.0, 0.0, 0.05]),
            parents=tuple(parents),
            mode="all",
            retry=SOON,
        )


class Consumer:
    """Claims, runs, reports."""

    def __init__(self, store: Store, history: History, seed: int, faultless: bool = False) -> None:
        self.store = store
        self.history = history
        self.random = random.Random(seed)
        self.faultless = faultless

    def step(self, wait_s: float = 0.1, count: int = 0) -> int:
        """Run what one claim brings; return how many jobs that were."""
        claim = Claim(
            [(name, 0) for name in QUEUES],
            count or self.random.choice([1, 4, 30]),
            wait_s=wait_s,
            whole=True,
        )
        jobs: list[ClaimedJob] = self.store.call(claim)
        outcomes = [self._run(job) for job in jobs]
        self._report(jobs, outcomes)
        return len(jobs)

    def _run(self, job: ClaimedJob) -> Outcome:
        text = ids.to_text(job.id)
        self.history.note("claimed", [text], claim=job.claim)
        chance = 1.0 if self.faultless else self.random.random()
        if chance < 0.1 and not job.started:
            return Outcome(job.id, job.claim, "returned")
        if not job.started:
            self.store.call(Finish(started=[(job.id, job.claim)]))
        kind = "failed" if chance < 0.2 and job.attempt < job.max_attempts else DONE
        self.history.note("started", [text], claim=job.claim)
        self.history.note("ended", [text], claim=job.claim, kind=kind)
        return Outcome(job.id, job.claim, kind, result=b"result", error="on purpose")

    def _report(self, jobs: list[ClaimedJob], outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            self._note("finishing", outcome)
        refused = {index for index, _ in self.store.call(Finish(outcomes))} if outcomes else set()
        for index, outcome in enumerate(outcomes):
            self._note("finished", outcome, ok=index not in refused)

    def _note(self, what: str, outcome: Outcome, **facts: Any) -> None:
        text = ids.to_text(outcome.id)
        self.history.note(what, [text], claim=outcome.claim, kind=outcome.kind, **facts)


def drain(db_path: str | Path, log: Path, owner: str = "inline") -> None:
    """Run everything that is left, without faults, until all of it has ended."""
    store, history = open_store(str(db_path), owner=owner), History(log, sync=False)
    try:
        consumer = Consumer(store, history, 0, faultless=True)
        while any(store.call(Stats())[status] for status in ("pending", "delayed", "waiting", "claimed")):
            consumer.step(wait_s=0.5, count=500)
    finally:
        store.close()
        history.close()


def produce(store: Store, history: History, seed: int, stop: threading.Event) -> None:
    """Enqueue until told to stop."""
    producer = Producer(store, history, seed)
    while not stop.is_set():
        try:
            counts = store.call(Stats())
            if sum(counts[status] for status in ("pending", "delayed", "waiting")) > MAX_LIVE:
                stop.wait(0.01)
            else:
                producer.step()
        except OwnerError:  # too many owners died in a row: what was sent may have happened, or not
            continue


def consume(store: Store, history: History, seed: int, stop: threading.Event) -> None:
    """Work until told to stop."""
    consumer = Consumer(store, history, seed)
    while not stop.is_set():
        try:
            consumer.step()
        except OwnerError:
            continue


ROLES = {"both": (produce, produce, consume, consume), "producer": (produce,), "worker": (consume,)}


def main(arguments: list[str] | None = None) -> int:
    """Run until killed, by a failpoint, a timer, or from outside, or until standard input ends."""
    if (sys.argv[1:] if arguments is None else arguments) == ["--lives"]:
        return live_again()
    parser = argparse.ArgumentParser(prog="queuack_store.testing.load", description=__doc__)
    parser.add_argument("file")
    parser.add_argument("log", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--owner", choices=("inline", "process"), default="inline")
    parser.add_argument("--doomed-owners", action="store_true", help="see failpoints.doom")
    parser.add_argument("--role", choices=tuple(ROLES), default="both")
    parser.add_argument("--kill", type=KillAt.parse, help="a failpoint and its hit: journal.written:3")
    parser.add_argument("--kill-after", type=float, help="seconds, before the file is opened")
    parser.add_argument("--checkpoint-always", action="store_true")
    chosen = parser.parse_args(arguments)
    if chosen.kill_after is not None:
        threading.Timer(chosen.kill_after, os.kill, (os.getpid(), signal.SIGKILL)).start()
    install(chosen.kill, chosen.checkpoint_always)
    if chosen.doomed_owners:
        start_doomed_owners()
    history, over = History(chosen.log), Over()
    threads = []
    for number, work in enumerate(ROLES[chosen.role]):
        seed = chosen.seed * 10 + number
        store = open_store(chosen.file, owner=chosen.owner)
        threads.append(threading.Thread(target=over.guarded, args=(work, store, history, seed, over.stop)))
        threads[-1].start()
    threading.Thread(target=over.with_input, daemon=True).start()
    for thread in threads:
        thread.join()
    return 3 if over.failed else 0


class Over:
    """When and why a process under load stops by itself."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.failed = False

    def with_input(self) -> None:
        """Stop when standard input ends: the test is over."""
        sys.stdin.read()
        self.stop.set()

    def guarded(self, work: Any, store: Store, *rest: Any) -> None:
        """Run one part; where it fails, all stop."""
        try:
            work(store, *rest)
        except StorageFullError:
            pass
        except BaseException as error:
            self.failed = True
            sys.stderr.write(f"{work.__name__}: {error!r}\n")
        finally:
            self.stop.set()
            try:
                store.close()
            except QueuackError as error:
                self.failed = True
                sys.stderr.write(f"close: {error!r}\n")


def live_again() -> int:
    """Fork a process for each line of arguments on standard input, and write how it ended."""
    import queuack_store.duckdb.database
    import queuack_store.journal
    import queuack_store.sharing.server  # noqa: F401

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            sys.stdin = os.fdopen(os.pipe()[0])  # never ends
            os._exit(main(shlex.split(line)))
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
