"""A core on a bench: its records, reads, lagging rows and crashes in the hands of a test, without a thread.

Each cycle is run as the engine's loop runs it and then followed by the model; the test says whether the
append failed, which reads are answered when, how far the rows lag, and where the power goes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from queuack_store.engine.changes import Record, decode, encode
from queuack_store.engine.core import Applied, Core, Decision
from queuack_store.engine.entries import Job
from queuack_store.engine.inbox import Ask
from queuack_store.engine.lookup import Loaded
from queuack_store.engine.loop import WHILE_FULL
from queuack_store.engine.reads import Read, ReadQuery
from queuack_store.errors import StorageFullError
from queuack_store.states import SKIPPED
from queuack_store.testing.auditing import audit, audit_at_rest
from queuack_store.testing.deeds import EXPIRED, Cycle, DatedAsk, Expiry
from queuack_store.testing.following import Follower
from queuack_store.testing.model import Model
from queuack_store.testing.rows import RowStore

MAX_ROUNDS = 400  # an engine at rest comes to an end long before

CRASHES = ("decided", "torn", "written", "synced")
"""Where a cycle may be cut: before the write; in it; before the sync (it may be there or not); before the
replies. Cuts between cycles, applying and checkpointing are made by calling `restart`."""


class MarkedCore(Core):
    """A core that tells in which order it decided: replies, upkeep, and what it skipped as expired."""

    def decide(self, items: Iterable[Any], now: float, frugal: bool = False) -> Decision:
        """Run one cycle."""
        self.mark: int | None = None
        self.expiries: list[Expiry] = []
        return super().decide(items, now, frugal)

    def _upkeep(self) -> float | None:
        self.mark = len(self._replies)
        return super()._upkeep()

    def wake_waiters(self, job: Job) -> None:
        """Called for each job that has ended."""
        if job.status == SKIPPED and job.skip_reason == EXPIRED:
            place = (self.mark is not None, len(self._replies), self.state.next_claim)
            self.expiries.append(Expiry(*place, job.id))
        super().wake_waiters(job)


class _Nobody:
    """A sink for asks whose replies the bench takes itself."""

    def reply(self, ask: Ask, value: Any) -> None:
        """Never called."""

    def flush(self) -> None:
        """Never called."""


NOBODY = _Nobody()


class Bench:
    """An engine's core with everything around it held still."""

    def __init__(self, now: float = 1_750_000_000.123456789) -> None:
        self.now = now
        self.rows = RowStore()
        self.log: deque[Record] = deque()  # durable, not applied
        self.core = MarkedCore()
        self.model = Model()
        self.follower = Follower(self.model)
        self.inbox: list[Any] = []
        self.reads: list[tuple[int, Read]] = []
        self.arrivals: list[tuple[Loaded, Read]] = []  # read, not delivered
        self.cycles = self.crashes = self.failed = 0
        self._purges: frozenset[int] = frozenset()  # the reads that ask what may be purged
        self._retries: frozenset[int] = frozenset()  # ... and what has failed
        self.disturbed = False  # a purge may have been cut off: its count is not known
        self.windowed = 0  # jobs in all windows right after the cycle of the latest `ask`
        self._asked = 0

    # -- cycles ----------------------------------------------------------------------------------

    def cycle(self, asks: Iterable[Ask] = (), full: bool = False) -> list[tuple[Ask, Any]]:
        """Run one cycle; with `full` its append fails. Returns the replies that were sent."""
        items, given = self._gather(asks)
        decision, exact = self._decide(items)
        if decision.record is None or not full:
            return self._accept(decision, exact)
        self.failed += 1
        return self._refuse(items, given)

    def crash(self, asks: Iterable[Ask], where: str, kept: bool, dead: Iterable[bytes] = ()) -> None:
        """Run one cycle that is cut; a record that was written but not synced may be `kept`."""
        items, _ = self._gather(asks)
        decision, exact = self._decide(items)
        durable = where == "synced" or (where == "written" and kept)
        if durable and decision.record is not None:
            self._accept(decision, exact)
        self.restart(dead)

    def restart(self, dead: Iterable[bytes] = ()) -> None:
        """Lose all memory and open the rows and the log anew; the sessions in `dead` are gone."""
        self.crashes += 1
        self.disturbed = True
        self.rows.apply(self.log)
        self.log.clear()
        self.inbox, self.reads, self.arrivals = [], [], []
        self._purges = self._retries = frozenset()
        self.core = MarkedCore()
        gone = set(dead)
        self.core.load(self.rows.snapshot(), self.now, gone)
        self.model.takeover(gone)

    def _gather(self, asks: Iterable[Ask]) -> tuple[list[Any], list[Ask]]:
        """Return all items: the rows of a purge last, so that the record says what it did when.

        A second retry of all that failed waits for the next cycle: a record does not tell the two apart.
        """
        given = list(asks)
        items = [*self.inbox, *given]
        self.inbox = [item for item in items if self._retries_all(item)][1:]
        items = [item for item in items if item not in self.inbox]
        items.sort(key=self._deletes)
        self.follower.hear((i for i in items if isinstance(i, Ask)), self.now)
        return items, given

    def _retries_all(self, item: Any) -> bool:
        return isinstance(item, Loaded) and item.token in self._retries

    def _deletes(self, item: Any) -> bool:
        return isinstance(item, Loaded) and item.token in self._purges

    def _decide(self, items: list[Any], frugal: bool = False) -> tuple[Decision, bool]:
        self.cycles += 1
        exact = self._all_in_memory()
        decision = self.core.decide(items, self.now, frugal)
        return decision, exact and self._all_in_memory()

    def _all_in_memory(self) -> bool:
        return all(queue.window.frontier is None for queue in self.core.state.queues.values())

    def _accept(self, decision: Decision, exact: bool) -> list[tuple[Ask, Any]]:
        record = decision.record
        if record is not None:
            self.log.append(decode(encode(record)))
        self.core.accept()
        mark = len(decision.replies) if self.core.mark is None else self.core.mark
        self.follower.follow(Cycle(record, decision.replies, mark, exact, self.core.expiries), self.now)
        for token, read in self.core.open_reads():
            self.reads.append((token, read))
            if isinstance(read, ReadQuery) and read.name == "purge_candidates":
                self._purges |= {token}
            if isinstance(read, ReadQuery) and read.name == "failed_ids":
                self._retries |= {token}
        return decision.replies

    def _refuse(self, items: list[Any], given: list[Ask]) -> list[tuple[Ask, Any]]:
        """Do what the loop does on a full disk: refuse, and let what ends claims use the reserve."""
        self.disturbed = True
        again = self.core.rollback(items)
        full = StorageFullError("the test's disk is full")
        replies: list[tuple[Ask, Any]] = []
        keep: list[Any] = []
        for item in items:
            if isinstance(item, Ask) and not isinstance(item.request, WHILE_FULL):
                replies.append((item, full))
            else:
                keep.append(item)
        self.inbox += again
        if keep:
            decision, exact = self._decide(sorted(keep, key=self._deletes), frugal=True)
            replies += self._accept(decision, exact)
        return replies

    def ask(self, session: bytes, request: Any) -> Any:
        """Ask as a client does, let everything come to rest, and return the reply; None where it waits."""
        self._asked += 1
        mine = DatedAsk(session, request, NOBODY, self._asked, self._asked)
        replies = self.cycle([mine])
        self.windowed = self.core.state.load.entries
        replies += self.settle()
        return next((value for asked, value in replies if asked is mine), None)

    def fail(self, asks: Iterable[Ask] = ()) -> None:
        """Run one cycle whose every append fails, the reserve too: nothing of it stays."""
        self.disturbed = True
        self.failed += 1
        items, _ = self._gather(asks)
        decision, exact = self._decide(items)
        if decision.record is None:
            self._accept(decision, exact)
            return
        again = self.core.rollback(items)
        self.inbox += [i for i in items if not isinstance(i, Ask)] + again

    # -- the rows --------------------------------------------------------------------------------

    def apply(self, count: int | None = None) -> None:
        """Let the rows catch up by some records (all)."""
        count = len(self.log) if count is None else min(count, len(self.log))
        if count:
            self.rows.apply([self.log.popleft() for _ in range(count)])
            self.inbox.append(Applied(self.rows.cycle))

    def read(self, index: int = 0) -> None:
        """Run one of the open reads, as of now; its rows travel until `deliver`."""
        token, read = self.reads.pop(index % len(self.reads))
        after = getattr(read, "after_cycle", 0)
        while self.rows.cycle < after:
            self.apply(1)
        self.arrivals.append((Loaded(token, self.rows.read(read)), read))

    def deliver(self, index: int = 0) -> None:
        """Bring the rows of one read to the core's next cycle."""
        self.inbox.append(self.arrivals.pop(index % len(self.arrivals))[0])

    @property
    def at_rest(self) -> bool:
        """Whether nothing is under way."""
        return not (self.log or self.reads or self.arrivals or self.inbox)

    def settle(self) -> list[tuple[Ask, Any]]:
        """Let everything that is under way come to its end, and check what then must hold."""
        replies = []
        for _ in range(MAX_ROUNDS):
            self.apply()
            while self.reads:
                self.read()
            while self.arrivals:
                self.deliver()
            replies += self.cycle()
            if self.at_rest:
                replies += self.cycle()  # what a read under way had held in memory goes with the next cycle
                if self.at_rest:
                    break
        else:
            raise AssertionError("the engine never comes to rest")
        audit_at_rest(self.core, self.model, self.rows)
        if not self.disturbed:
            assert self.follower.purged == self.follower.purged_said, "the purges said another number"
        return replies

    def audit(self) -> None:
        """Compare the core's memory with the model."""
        audit(self.core, self.model)
