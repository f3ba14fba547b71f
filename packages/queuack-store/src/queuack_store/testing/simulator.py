"""A whole queue under one seed: clients, a net that loses and repeats, an owner that dies at every step.

`python -m queuack_store.testing.simulator --seed 7` plays one seed again, with its steps; `--seeds 300`
plays so many. The same seed always gives the same run.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable
from typing import Any

from queuack_store.engine.inbox import Ask
from queuack_store.requests import (
    Claim,
    Pause,
)
from queuack_store.states import ENDED
from queuack_store.testing.asking import QUEUES, Wishes
from queuack_store.testing.bench import CRASHES
from queuack_store.testing.bounds import small_bounds
from queuack_store.testing.clients import Client

CLIENTS = 3
LIVENESS_ROUNDS = 3_000
STEPS = 500


class Simulation(Wishes):
    """One run."""

    def __init__(self, seed: int, trace: Callable[[str], None] | None = None) -> None:
        super().__init__(seed)
        self.trace = trace
        self.sessions = 0
        self.clients = [self._new_client() for _ in range(CLIENTS)]
        self.wire: list[Ask] = []
        self.steps = 0

    def _new_client(self) -> Client:
        self.sessions += 1
        return Client(self.sessions, self._bytes())

    def say(self, text: str) -> None:
        """Tell the trace what is done."""
        if self.trace is not None:
            self.trace(f"{self.steps:4} {self.bench.now - 1.75e9:9.3f} {text}")

    # -- one step --------------------------------------------------------------------------------

    def step(self) -> None:
        """Do one thing, and now and then another cycle with what has come."""
        self.steps += 1
        chance = self.random.random()
        if chance < 0.55:
            self._send()
        elif chance < 0.75:
            self._move_rows()
        elif chance < 0.83:
            self._pass_time()
        elif chance < 0.87:
            self._lose_connection()
        elif chance < 0.89:
            self._crash()
        elif chance < 0.91:
            self._replace_client()
        else:
            self._cycle()
        if self.random.random() < 0.6:
            self._cycle()
        if self.steps % 20 == 0:
            self.bench.audit()
        if self.steps % 100 == 0:
            self.say("settle")
            self._hear(self.bench.settle())

    def _send(self) -> None:
        client = self.random.choice(self.clients)
        if not client.connected:
            asks = client.connect()
            self.say(f"client {client.number} connects and sends {len(asks) - 1} again")
            self.wire += asks
            return
        request = self._request(client)
        self.say(f"client {client.number} asks {request!r}"[:300])
        self.wire.append(client.ask(request))
        if self.random.random() < 0.05:
            self.wire.append(self.wire[-1])  # it comes twice

    def _deliver(self) -> list[Ask]:
        """Take what has come over the wire by now; of different sessions in any order."""
        count = self.random.randint(0, len(self.wire))
        taken, self.wire = self.wire[:count], self.wire[count:]
        if self.random.random() < 0.3:
            order = {client.session: self.random.random() for client in self.clients}
            taken.sort(key=lambda ask: order.get(ask.session, 0.0))
        return taken

    def _cycle(self) -> None:
        taken = self._deliver()
        chance = self.random.random()
        if chance < 0.05:
            self.say(f"cycle of {len(taken)}, the disk is full")
            self._hear(self.bench.cycle(taken, full=True))
        elif chance < 0.08:
            self.say(f"cycle of {len(taken)}, every append fails")
            self.bench.fail(taken)
            self.wire = taken + self.wire
        else:
            self._hear(self.bench.cycle(taken))

    def _hear(self, replies: list[tuple[Ask, Any]]) -> None:
        by_session = {client.session: client for client in self.clients}
        for ask, value in replies:
            client = by_session.get(ask.session)
            if client is not None:
                client.hear(ask, value)

    def _move_rows(self) -> None:
        bench, chance = self.bench, self.random.random()
        if chance < 0.4:
            bench.apply(self.random.randint(1, 4))
        elif chance < 0.7 and bench.reads:
            bench.read(self.random.randrange(len(bench.reads)))
        elif bench.arrivals:
            bench.deliver(self.random.randrange(len(bench.arrivals)))
        else:
            bench.apply()

    def _pass_time(self) -> None:
        step_s = self.random.choice([0.003, 0.503, 2.003, 11.003, 40.003])
        self.say(f"{step_s} s pass")
        self.bench.now += step_s

    def _lose_connection(self) -> None:
        client = self.random.choice(self.clients)
        if not client.connected:
            return
        lost = self.random.random() < 0.5
        self.say(f"client {client.number} loses its connection; the owner {'hears' if lost else 'misses'} it")
        on_the_way = [ask for ask in self.wire if ask.session == client.session]
        cut = self.random.randint(0, len(on_the_way))  # what the kernel had still reaches the owner
        gone = {id(ask) for ask in on_the_way[cut:]}
        self.wire = [ask for ask in self.wire if id(ask) not in gone]
        client.disconnect()
        if lost:
            end = client.close(orderly=False)
            client.closed = False
            self.wire.append(end)

    def _replace_client(self) -> None:
        place = self.random.randrange(len(self.clients))
        client = self.clients[place]
        orderly = self.random.random() < 0.5
        self.say(f"client {client.number} {'closes' if orderly else 'dies'}")
        self.wire.append(client.close(orderly))
        self.clients[place] = self._new_client()

    def _crash(self) -> None:
        where = self.random.choice([*CRASHES, "between"])
        dead = {client.session for client in self.clients if self.random.random() < 0.3}
        self.say(f"the owner dies: {where}; {len(dead)} clients with it")
        self.wire = [] if where == "between" else self.wire
        taken = self._deliver()
        if where == "between":
            self.bench.restart(dead)
        else:
            self.bench.crash(taken, where, self.random.random() < 0.5, dead)
        self.wire = []
        for client in self.clients:
            client.disconnect()
        self.clients = [self._new_client() if c.session in dead else c for c in self.clients]

    # -- the end ---------------------------------------------------------------------------------

    def finish(self) -> None:
        """Stop all faults: every job must come to its end, and the rows must be what was promised."""
        self.say("the faults stop")
        bench = self.bench
        self._hear(bench.cycle(self.wire))
        self.wire = []
        bench.settle()
        worker = self._new_client()
        self.clients.append(worker)
        asks = [*worker.connect(), *(worker.ask(Pause(name, False)) for name in QUEUES)]
        asks += [client.close(orderly=False) for client in self.clients[:-1]]
        self._hear(bench.cycle(asks))
        for _ in range(LIVENESS_ROUNDS):
            if all(job.status in ENDED for job in bench.model.jobs.values()):
                break
            bench.now += 31.003
            everything = Claim([(name, 0) for name in QUEUES], count=100, whole=True, claim_timeout_s=1e9)
            self._hear(bench.cycle([worker.ask(everything)]))
            self._hear(bench.settle())
            self._hear(bench.cycle([worker.ask(worker.finish(100))]))
            self._hear(bench.settle())
        else:
            left = [(job.seq, job.status) for job in bench.model.jobs.values() if job.status not in ENDED]
            raise AssertionError(f"these never came to an end: {left}")
        bench.restart()
        bench.settle()


def play(seed: int, steps: int = STEPS, trace: Callable[[str], None] | None = None) -> Simulation:
    """Play one seed to its end.

    Raises:
        AssertionError: an invariant broke.
    """
    with small_bounds():
        simulation = Simulation(seed, trace)
        for _ in range(steps):
            simulation.step()
        simulation.finish()
    return simulation


def play_many(first: int, count: int, steps: int = STEPS) -> list[str]:
    """Play many seeds; return how each of those that failed is played again, and why it failed."""
    failures = []
    for seed in range(first, first + count):
        try:
            play(seed, steps)
        except Exception as error:
            why = traceback.format_exception_only(error)[0].splitlines()[0]
            failures.append(
                f"python -m queuack_store.testing.simulator --seed {seed} --steps {steps}  # {why}"
            )
    return failures


def main(arguments: list[str] | None = None) -> int:
    """Play seeds from the command line; 1 where one failed."""
    parser = argparse.ArgumentParser(prog="queuack_store.testing.simulator", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the (first) seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many; one is played with its steps shown")
    parser.add_argument("--steps", type=int, default=STEPS)
    chosen = parser.parse_args(arguments)

    def write(line: str) -> None:
        sys.stdout.write(line + "\n")

    if chosen.seeds == 1:
        played = play(chosen.seed, chosen.steps, write)
        bench = played.bench
        write(f"seed {chosen.seed} holds: {bench.cycles} cycles, {bench.crashes} crashes")
        return 0
    failures = play_many(chosen.seed, chosen.seeds, chosen.steps)
    for failure in failures:
        write(failure)
    write(f"{chosen.seeds} seeds of {chosen.steps} steps: {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
