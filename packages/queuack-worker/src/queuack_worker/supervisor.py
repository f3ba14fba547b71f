"""The supervisor of a pool of processes: starts children, watches them, replaces them, runs no job itself."""

from __future__ import annotations

import logging
import os
import selectors
import socket
import threading
from typing import TYPE_CHECKING, Any

from queuack_store.clock import monotonic
from queuack_store.errors import FileReplacedError

from queuack_worker.control import Message, Setup
from queuack_worker.deaths import OomKills
from queuack_worker.errors import WorkerStartError
from queuack_worker.events import Events
from queuack_worker.hooks import pack
from queuack_worker.offspring import Offspring
from queuack_worker.resources import Guard
from queuack_worker.sight import PoolView
from queuack_worker.starts import Starts
from queuack_worker.verdicts import report, to_be_cancelled, told_of_dead

if TYPE_CHECKING:
    from queuack_store.queue import DuckQueue

    from queuack_worker.board import Running
    from queuack_worker.deaths import Death
    from queuack_worker.resources import Limits
    from queuack_worker.settings import Settings

PATIENCE_LEASES = 4  # a hung child that nobody watches ends itself when its claims are long lost
LOOK_S = 0.5  # how often boards and resources are looked at while there is something to see
MAX_UNTOLD = 1_000  # jobs that died while no child lived to tell its hooks
FOREVER_S = 10 * 365 * 86_400.0  # a child that is replaced may finish what it runs
LEAVE_S = 5.0  # more than a drain needs after its own time-outs; then a child is killed


class Supervisor:
    """Keeps `processes` children running until it is told to drain.

    Args:
        queue: an open DuckQueue; children open their own handles on its file.
        settings: what each child does.
        path: what children put in front of sys.path.
        limits: resource limits past which nobody claims.
    """

    def __init__(
        self,
        queue: DuckQueue,
        settings: Settings,
        processes: int,
        path: list[str],
        events: Events | None = None,
        limits: Limits | None = None,
        log_level: int = logging.INFO,
        log_format: str = "auto",
    ) -> None:
        self.events = events or Events()
        self._queue = queue
        self._settings = settings
        self._count = processes
        self._path = path
        self._guard = None if limits is None else Guard(limits, self.events, self._pause, self._resume)
        self._log_level, self._log_format = log_level, log_format
        self._children: dict[int, Offspring] = {}  # by pid
        self._due: list[tuple[float, int]] = []  # when to start which number
        self._starts = Starts()
        self._kills = OomKills()
        self._untold: list[dict[str, Any]] = []  # of jobs that died, for the hooks of a child that lives
        self._state = "running"
        self._asked: str | None = None
        self._replaced: FileReplacedError | None = None
        self._leave_by = 0.0
        self._round_at = monotonic()
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)

    @property
    def pids(self) -> list[int]:
        """The children's process ids."""
        return list(self._children)

    @property
    def paused(self) -> str | None:
        """Which limit of the machine keeps the pool from claiming, with figures; None while it claims.

        The events `claims_paused` (fact `reason`) and `claims_resumed` tell of each change.
        """
        return None if self._guard is None else self._guard.paused

    def view(self) -> PoolView:
        """Return how the pool stands; from any thread."""
        children = [child.view() for child in list(self._children.values())]
        return PoolView(self._state, self.paused, monotonic() - self._round_at, tuple(children))

    def drain(self) -> None:
        """Ask for an orderly end; from any thread."""
        self._ask("drain")

    def stop_now(self) -> None:
        """Ask for an end at once: running jobs go back unspent; from any thread."""
        self._ask("now")

    def run(self, stop: threading.Event | None = None) -> None:
        """Keep the children running until `drain` or `stop_now`; returns when all have ended.

        Raises:
            WorkerStartError: children don't start. FileReplacedError: the file was deleted or replaced.
        """
        if stop is not None:
            threading.Thread(target=self._relay, args=(stop,), name="queuack-stop", daemon=True).start()
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._due = [(0.0, number) for number in range(1, self._count + 1)]
        if self._guard is not None:
            self._guard.mind(monotonic())  # before there are children: on a full machine none claims first
        try:
            while self._children or (self._due and self._state == "running"):
                self._round_at = monotonic()
                self._start_due()
                for key, _mask in self._selector.select(self._sleep_s()):
                    self._ready(key)
                self._reap()
                self._look()
        finally:
            self._kill_rest()
            self._selector.close()
            self._wake_read.close()
            self._wake_write.close()
        if self._replaced is not None:
            raise self._replaced
        if self._state == "failed":
            raise WorkerStartError(
                f"{self._starts.in_a_row} children in a row ended before they were ready, and none has "
                "worked; the lines above say why",
                failed_starts=self._starts.in_a_row,
            )

    def _relay(self, stop: threading.Event) -> None:
        stop.wait()
        self.drain()

    def _ask(self, what: str) -> None:
        self._asked = what if self._asked != "now" else "now"
        try:
            self._wake_write.send(b".")
        except OSError:
            pass  # it has ended

    def _start_due(self) -> None:
        if self._state != "running":
            self._due.clear()
            return
        now = monotonic()
        for at, number in [due for due in self._due if due[0] <= now]:
            if self._state == "running":  # the one before may have been the last to fail
                self._due.remove((at, number))
                self._start(number)

    def _start(self, number: int) -> None:
        setup = Setup(
            self._queue.db_path,
            self._queue.default_queue,
            self._queue.serialization,
            list(self._queue.allowed_modules) if self._queue.allowed_modules is not None else None,
            self._child_settings(number),
            number,
            self._path,
            self._log_level,
            self._log_format,
            PATIENCE_LEASES * self._settings.claim_timeout_s,
            pack(self._settings.hooks),
            self.paused or "",
        )
        try:
            child = Offspring(number, setup)
        except OSError as error:  # no process, memory or descriptor left, or no Python any more
            self._not_started(number, f"no process could be started: {error}")
            return
        self._children[child.pid] = child
        self._selector.register(child.channel, selectors.EVENT_READ, child)
        if child.pidfd is not None:
            self._selector.register(child.pidfd, selectors.EVENT_READ, child)
        self.events.emit("child_started", child=number, pid=child.pid)

    def _child_settings(self, number: int) -> Settings:
        from dataclasses import replace

        return replace(self._settings, worker_id=f"{self._settings.worker_id}-{number}", hooks={})

    def _sleep_s(self) -> float | None:
        if self._state != "running" and not self._children:
            return 0.0  # nobody is left who could wake us
        now = monotonic()
        sleeps = [at - now for at, _number in self._due]
        if self._children and (
            self._guard is not None
            or self._state != "running"
            or any(child.pidfd is None or child.board.running() for child in self._children.values())
        ):
            sleeps.append(LOOK_S)
        elif self._children:
            sleeps.append(2 * LOOK_S)
        return max(0.0, min(sleeps)) if sleeps else None

    def _ready(self, key: selectors.SelectorKey) -> None:
        child: Offspring | None = key.data
        if child is None:
            try:
                self._wake_read.recv(4_096)
            except BlockingIOError:
                pass
            self._obey()
        elif key.fileobj is child.channel:
            messages = child.channel.read()
            if messages is None:
                self._selector.unregister(child.channel)
            for message in messages or []:
                self._hear(child, message)

    def _obey(self) -> None:
        asked = self._asked
        timeout_s = self._settings.shutdown_timeout_s
        if asked == "drain" and self._state == "running":
            self._state = "draining"
            self._leave_by = monotonic() + timeout_s + self._settings.grace_s + LEAVE_S
            self.events.emit("draining", timeout_seconds=timeout_s, children=len(self._children))
            for child in self._children.values():
                child.drain(timeout_s)
        elif asked == "now" and self._state != "stopping":
            self._state = "stopping"
            self._leave_by = monotonic() + LEAVE_S
            for child in self._children.values():
                child.stop_now()

    def _hear(self, child: Offspring, message: Message) -> None:
        if message.do == "ready":
            child.ready = True
            self._starts.succeeded(child.number)
            self.events.emit("child_ready", child=child.number, pid=child.pid)
        elif message.do == "event" and message.name == "recycle":
            self._recycle(child, message.facts)
        elif message.do == "event" and message.name == "file_replaced" and self._replaced is not None:
            pass  # another child has said so
        elif message.do == "event":
            self.events.emit(message.name, message.level, child=child.number, **message.facts)
            if (
                message.name == "file_replaced"
            ):  # children of the new file would be a pool that nobody started
                self._replaced = FileReplacedError(message.facts["reason"])
                self.drain()
        elif message.do in ("dying", "failed"):
            child.reason = child.reason or message.name

    def _recycle(self, child: Offspring, facts: dict[str, Any]) -> None:
        if child.leaving or self._state != "running":
            return
        if any(c.number == child.number for c in self._children.values() if c is not child):
            child.outgrown = facts  # its predecessor still finishes a job: they must not pile up
            return
        self.events.emit("child_recycled", child=child.number, pid=child.pid, **facts)
        child.drain(FOREVER_S)
        # The next one is there before this one has ended: a recycled pool does not lose pace.
        self._due.append((monotonic(), child.number))

    def _reap(self) -> None:
        for child in list(self._children.values()):
            death = child.poll(self._kills)
            if death is None:
                continue
            running = child.board.running()
            for fileobj in (child.channel, child.pidfd):
                if fileobj is not None:
                    try:
                        self._selector.unregister(fileobj)
                    except (KeyError, ValueError):
                        pass
            for message in child.channel.read() or []:
                self._hear(child, message)
            del self._children[child.pid]
            if running and not (child.leaving and death.orderly):
                report(self._queue.store, running, death.verdict(), death.peak_rss)
                if self._settings.hooks:
                    self._untold += told_of_dead(self._queue.store, running)
                    del self._untold[:-MAX_UNTOLD]
            self._mourn(child, death)
            child.close()
            for other in list(self._children.values()):
                if other.number == child.number and other.outgrown is not None:
                    self._recycle(other, other.outgrown)

    def _mourn(self, child: Offspring, death: Death) -> None:
        facts = {"child": child.number, "pid": child.pid}
        if child.leaving and death.orderly:
            self.events.emit("child_ended", **facts)
            return
        self.events.emit("child_died", logging.WARNING, **facts, verdict=death.verdict())
        if child.leaving or self._state != "running":
            return
        if child.ready:  # a job that kills its child is no reason to stay away
            self._due.append((monotonic(), child.number))
        else:
            self._not_started(child.number, death.verdict(), death.shot)

    def _not_started(self, number: int, why: str, shot: bool = False) -> None:
        """Try again a little later; give up where no child has ever worked."""
        wait_s = self._starts.failed(number, shot)
        facts = {"child": number, "failed_starts": self._starts.in_a_row, "reason": why}
        if wait_s is not None:
            self.events.emit("start_failed", logging.WARNING, **facts, again_in_seconds=wait_s)
            self._due.append((monotonic() + wait_s, number))
            return
        self.events.emit("start_failed", logging.ERROR, **facts)
        self._asked = "drain"
        self._obey()
        self._state = "failed"

    def _look(self) -> None:
        """Look at boards and resources; kill what can't obey."""
        self._kills.look()
        self._tell_hooks()
        if self._state != "running" and monotonic() > self._leave_by:
            for child in self._children.values():
                child.kill("it did not end when told to")
            return
        for child in self._children.values():
            if child.reason is not None:
                continue
            if (overdue := child.overdue()) is not None:
                self._condemn(child, *overdue)
            elif child.deaf(self._to_be_cancelled):
                self._condemn(child, [], "a job in it was cancelled and could not be interrupted")
        if self._guard is not None and self._state == "running":
            self._guard.mind(monotonic())

    def _tell_hooks(self) -> None:
        """Let a child that lives tell its hooks of jobs whose process died: no user code runs here."""
        for child in self._children.values():
            if not self._untold:
                return
            if child.ready and not child.leaving:
                told, self._untold = self._untold, []
                for facts in told:
                    child.channel.send("died", facts=facts)

    def _to_be_cancelled(self, running: list[Running]) -> bool:
        return bool(running) and to_be_cancelled(self._queue.store, running)

    def _condemn(self, child: Offspring, culprits: list[Running], why: str) -> None:
        """Kill a child whose job can't be stopped; that job pays, all else it holds goes back unspent."""
        child.freeze()
        claims = {row.claim for row in culprits}
        others = [row for row in child.board.running() if row.claim not in claims]
        report(self._queue.store, culprits, why, None, spared=others)
        child.kill(why)

    def _pause(self, reason: str) -> None:
        for child in self._children.values():
            child.channel.send("pause", name=reason)

    def _resume(self) -> None:
        for child in self._children.values():
            child.channel.send("resume")

    def _kill_rest(self) -> None:
        for child in list(self._children.values()):
            child.kill("the supervisor ended")
            try:
                os.waitpid(child.pid, 0)
            except ChildProcessError:
                pass
            child.close()
        self._children.clear()
