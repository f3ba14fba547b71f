"""The engine's thread: gather → decide → journal → reply, again and again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from queuack_store.clock import Clock, SystemClock, monotonic
from queuack_store.engine.applier import Applier
from queuack_store.engine.changes import decode, encode
from queuack_store.engine.core import KEPT, Applied, Core, Decision
from queuack_store.engine.inbox import Ask, CloseSession, Inbox, OpenSession, Sink
from queuack_store.engine.journalling import Journal, MemoryJournal, Probe, no_probe
from queuack_store.engine.lookup import Loaded
from queuack_store.engine.reading import Reading
from queuack_store.engine.reads import Backend
from queuack_store.errors import QueuackError, StorageError, StorageFullError, StoreClosedError
from queuack_store.jobs import SessionInfo
from queuack_store.requests import Claim, Copied, Enqueue, Finish, Verdict

FULL_DISK_PAUSE_S = 0.5  # how long the engine rests before it tries a full disk again by itself
REPLAY_RECORDS = 500  # per transaction when the journal's tail is replayed
MAX_JOURNAL_BYTES = 64 << 20  # a checkpoint is due past this, whatever DuckDB's own log says
# What is still decided on a full disk, from the reserve.
WHILE_FULL = (Finish, Verdict, CloseSession, OpenSession)

logger = logging.getLogger("queuack.engine")


class _Rotate:
    """The applier's wish for a new segment, so that a checkpoint can free the old ones."""

    def __init__(self) -> None:
        self.done = threading.Event()


class _Release:
    """A checkpoint made everything up to this cycle safe."""

    def __init__(self, cycle: int) -> None:
        self.cycle = cycle


class Engine:
    """One engine over one file (or memory): the only writer there is."""

    def __init__(
        self,
        backend: Backend,
        journal: Journal,
        tail: Iterable[tuple[int, bytes]] = (),
        clock: Clock | None = None,
        probe: Probe = no_probe,
        on_fatal: Callable[[BaseException], None] | None = None,
        is_alive: Callable[[SessionInfo], bool] = lambda _: False,
    ) -> None:
        self._backend = backend
        self._journal = journal
        self._tail = tail
        self._clock = clock or SystemClock()
        self._probe = probe
        self._on_fatal = on_fatal
        self._is_alive = is_alive
        self._core = Core()
        self._inbox = Inbox()
        self._held: list[Any] = []  # what waits while the applier lags or the disk is full
        self._in_hand: list[Any] | None = None  # what the cycle under way was given
        self._rotating: _Rotate | None = None
        self._stopping = threading.Event()
        self._with_process = False
        self._ended = threading.Event()
        self._fault: QueuackError | None = None
        self._thread = threading.Thread(target=self._run, name="queuack-engine", daemon=True)

    # -- from other threads ----------------------------------------------------------------------

    def start(self) -> None:
        """Replay the journal's tail, load the state and start the threads.

        Raises:
            StorageError: the file or the journal can't be used.
        """
        batch = []
        for _, body in self._tail:
            batch.append(decode(body))
            if len(batch) == REPLAY_RECORDS:
                self._backend.apply(batch)
                batch = []
        if batch:
            self._backend.apply(batch)
        self._tail = ()
        snapshot = self._backend.snapshot()
        dead = [info.id for info in snapshot.sessions if not self._is_alive(info)]
        self._core.load(snapshot, self._clock.now(), dead)
        self._applier = Applier(
            self._backend,
            snapshot.cycle,
            lambda cycle: self._inbox.put(Applied(cycle)),
            self._break,
            self._make_safe,
        )
        self._reading = Reading(self._backend, self._applier, self._inbox)
        self._applier.start()
        self._thread.start()

    def submit(self, ask: Ask) -> None:
        """Take a request from any thread; its sink gets the reply."""
        if self._stopping.is_set():
            ask.sink.reply(ask, self._fault or StoreClosedError("the queue is closing"))
            ask.sink.flush()
            return
        self._inbox.put(ask)
        if self._ended.is_set():
            self._refuse_left()  # the engine ended between the two lines above

    def poke(self) -> None:
        """Run a cycle now: a clock that is handed in has been moved."""
        self._inbox.put(None)

    def stop(self) -> None:
        """End in good order: answer what has come, apply everything, checkpoint, close."""
        self._stopping.set()
        self._inbox.put(None)
        self._ended.wait()

    def abort(self, error: QueuackError) -> None:
        """End at once for a fault that was found outside: whoever waits, and whoever comes, is told of it."""
        self._fault = error
        self._inbox.put(error)

    def end(self, timeout: float) -> None:
        """End with the process, as far as it gets in `timeout` seconds: who still waits is not told."""
        self._with_process = True
        self._stopping.set()
        self._inbox.put(None)
        self._ended.wait(timeout)

    def forked(self) -> None:
        """Let go of file and journal in a forked child, where none of the engine's threads runs."""
        self._ended = threading.Event()  # the parent's may be held by a thread that is not here
        self._ended.set()
        self._journal.abandon()
        self._backend.abandon()

    @property
    def failed(self) -> bool:
        """Whether it is ending for a fault: what it refuses now, the next engine may take."""
        return self._fault is not None

    @property
    def database_id(self) -> bytes:
        """What tells this database from every other, also from one that got its inode."""
        return self._backend.database_id

    @property
    def ended(self) -> threading.Event:
        """Set when the engine has ended and the file is closed."""
        return self._ended

    # -- the engine's own thread -----------------------------------------------------------------

    def _run(self) -> None:
        wake_at: float | None = 0.0
        try:
            while not self._stopping.is_set():
                timeout = None if wake_at is None else max(0.0, wake_at - self._clock.now())
                wake_at = self._step(self._inbox.gather(timeout))
            self._step(self._inbox.gather(0.0))
        except BaseException as error:
            self._die(error)
            return
        self._shut_down()

    def _step(self, items: list[Any]) -> float | None:
        """Run one cycle; return when to wake at the latest."""
        self._in_hand = items
        asks = [item for item in items if item is not None and not self._housekeeping(item)]
        if self._held or self._applier.lagging():
            asks = self._hold_back(asks)
        self._in_hand = asks
        try:
            decision = self._core.decide(asks, self._clock.now())
        except Exception:
            logger.exception("a cycle failed; its requests are run one by one")
            self._held += self._core.rollback(asks)
            return self._one_by_one(asks)
        if decision.record is not None and not self._make_durable(decision, asks):
            return self._clock.now() + FULL_DISK_PAUSE_S
        self._send(decision)
        if self._held:
            return self._clock.now() + 0.05
        return decision.wake_at

    def _make_durable(self, decision: Decision, asks: list[Any], urgent: bool = False) -> bool:
        assert decision.record is not None
        keeps = not isinstance(self._journal, MemoryJournal)
        self._probe("engine.decided")
        body = encode(decision.record) if keeps else b""
        began = monotonic()
        try:
            self._journal.append(decision.record.cycle, body, urgent)
        except StorageFullError as error:
            again = self._core.rollback(asks)
            self._with_full_disk(asks, again, error, urgent)
            return False
        self._core.meter.committed(monotonic() - began, len(asks))
        self._applier.put(decision.record, len(body))
        return True

    def _send(self, decision: Decision) -> None:
        """The cycle is durable: it becomes the state, and the replies go out."""
        self._core.accept()
        self._in_hand = None
        sinks: dict[int, Sink] = {}
        for ask, value in decision.replies:
            ask.sink.reply(ask, value)
            sinks[id(ask.sink)] = ask.sink
        for sink in sinks.values():
            sink.flush()
        self._probe("engine.replied")
        for token, read in self._core.open_reads():
            self._reading.start(token, read)

    def _with_full_disk(
        self, asks: list[Any], again: list[Ask], error: StorageFullError, urgent: bool
    ) -> None:
        """Refuse what would fill the disk; let what ends claims use the reserve; keep the rest for later."""
        keep = []
        for ask in asks:
            if isinstance(ask, Ask) and (urgent or not isinstance(ask.request, WHILE_FULL)):
                ask.sink.reply(ask, error)
                ask.sink.flush()
            else:
                keep.append(ask)
        self._held += again
        self._in_hand = keep
        if urgent or not keep:
            self._held += keep
            self._in_hand = None
            return
        decision = self._core.decide(keep, self._clock.now(), frugal=True)
        if decision.record is None or self._make_durable(decision, keep, urgent=True):
            self._send(decision)

    def _one_by_one(self, asks: list[Any]) -> float | None:
        wake_at: float | None = None
        for index, ask in enumerate(asks):
            self._in_hand = asks[index:]
            try:
                decision = self._core.decide([ask], self._clock.now())
            except Exception as error:
                self._held += self._core.rollback([ask])
                told = self._core.give_up(ask)
                if told is not None:
                    told.sink.reply(told, QueuackError(f"the engine failed on this request: {error!r}"))
                    told.sink.flush()
                continue
            if decision.record is None or self._make_durable(decision, [ask]):
                self._send(decision)
            wake_at = decision.wake_at
        self._in_hand = None
        return wake_at

    def _hold_back(self, asks: list[Any]) -> list[Any]:
        """While the applier lags, enqueues and claims wait, or fail where it lags for a full disk."""
        asks, self._held = self._held + asks, []
        if not self._applier.lagging():
            return asks
        full, go = self._applier.full, []
        for ask in asks:
            if not (isinstance(ask, Ask) and isinstance(ask.request, (Enqueue, Claim))):
                go.append(ask)
            elif full is None:
                self._held.append(ask)
            else:
                ask.sink.reply(ask, _no_room(full))
                ask.sink.flush()
        return go

    def _housekeeping(self, item: Any) -> bool:
        if isinstance(item, QueuackError):
            raise item
        if isinstance(item, (_Rotate, _Release)):
            try:
                if isinstance(item, _Rotate):
                    self._journal.rotate()
                    item.done.set()
                else:
                    self._journal.release(item.cycle)
            except StorageError as error:  # tried again with the next checkpoint
                logger.warning("the journal's segments stay as they are for now: %s", error)
                self._rotating = None
        elif self._applier.broken is not None and isinstance(item, Ask) and _changes(item):
            item.sink.reply(item, self._applier.broken)
            item.sink.flush()
        else:
            return False
        return True

    # -- reads, checkpoints, the end -------------------------------------------------------------

    def _make_safe(self, applied: int) -> None:
        """Checkpoint where it is due: new segment first, then the checkpoint, then the old segments go."""
        if not self._backend.checkpoint_due() and self._journal.size < MAX_JOURNAL_BYTES:
            return
        if self._stopping.is_set():
            return
        if self._rotating is None:
            self._rotating = _Rotate()
            self._inbox.put(self._rotating)
        if not self._rotating.done.wait(5.0):
            return
        if self._backend.checkpoint():
            self._rotating = None
            self._inbox.put(_Release(applied))

    def _break(self, error: QueuackError) -> None:
        self._inbox.put(None)

    def _die(self, error: BaseException) -> None:
        """End at once: nothing more may be acknowledged; the next owner recovers from the disk."""
        logger.critical("the engine ends: %s", error, exc_info=error)
        self._fault = self._fault or StorageError(f"the engine ended: {error}: open the queue again")
        self._stopping.set()
        self._journal.abandon()
        if self._on_fatal is not None:
            self._on_fatal(error)  # an owner process ends here
        try:
            self._refuse_all(self._fault)
            self._close_backend()
        except Exception:
            logger.exception("closing failed; the next opening recovers from the journal")
        finally:
            self._ended.set()
            self._refuse_left()

    def _refuse_all(self, error: QueuackError) -> None:
        """Answer everybody that waits, those too whose cycle was cut off before its replies."""
        cut, self._in_hand = self._in_hand, None
        waiting = [item for item in [*(cut or ()), *self._held] if isinstance(item, Ask)]
        if cut is not None:
            try:
                waiting += self._core.rollback(cut)
            except Exception:
                logger.exception("the cycle could not be taken back")
        waiting += self._core.waiting_asks()
        for ask in {id(ask): ask for ask in waiting}.values():
            ask.sink.reply(ask, error)
            ask.sink.flush()
        self._held = []
        self._refuse_left(error)

    def _refuse_left(self, error: QueuackError | None = None) -> None:
        """Answer what came too late for any cycle; a copy that did is nobody's."""
        for item in self._inbox.drain():
            if isinstance(item, Loaded) and isinstance(item.value, Copied):
                self._backend.discard(item.value)
            elif isinstance(item, Ask):
                item.sink.reply(item, error or self._fault or StoreClosedError("the queue is closing"))
                item.sink.flush()

    def _close_backend(self) -> bool:
        """Apply what is left and close the file; False where the journal is still needed."""
        whole = self._applier.stop()  # first: it frees the reads that wait for it on a full disk
        self._reading.stop()
        self._refuse_left()
        safe = whole and self._backend.checkpoint()
        self._backend.close()
        return safe

    def _shut_down(self) -> None:
        try:
            if not self._with_process:
                self._refuse_all(StoreClosedError("the queue is closing"))
            safe = self._close_backend()
            self._journal.close(remove=safe)
        except Exception as error:
            logger.exception("closing failed; the next opening recovers from the journal")
            if self._on_fatal is not None:
                self._on_fatal(error)
        finally:
            self._ended.set()
            self._refuse_left()


def _changes(ask: Ask) -> bool:
    """Return whether a request can change anything (reads go on when the queue is read-only)."""
    kind = type(ask.request)
    return kind is Claim or kind in KEPT


def _no_room(full: StorageFullError) -> StorageFullError:
    return StorageFullError(
        f"{full.message}. Nothing of this request was stored and nothing before it is lost; make room, then "
        "send it again",
        **full.facts,
    )
