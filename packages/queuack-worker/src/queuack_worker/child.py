"""A child of the pool: the process that runs jobs. `python -P -m queuack_worker.child SOCKET BOARD`.

Started by exec, so it never imports its parent's `__main__`; a session of its own, so that a Ctrl-C in
the terminal is for the supervisor alone. It ends when its supervisor says so or is gone.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import msgspec
from queuack_store.clock import monotonic
from queuack_store.errors import QueuackError

from queuack_worker.board import Board, Row
from queuack_worker.context import current_slot
from queuack_worker.control import Channel, Message, Setup
from queuack_worker.events import Event, Events, log
from queuack_worker.inheriting import let_threads_inherit
from queuack_worker.lines import light_logging
from queuack_worker.structlogs import configure_when_imported
from queuack_worker.usage import limit_memory

if TYPE_CHECKING:
    from queuack_store.queue import DuckQueue

    from queuack_worker.crew import Crew

REALLY_EXIT = os._exit
FAILED, DRAINED = 1, 0  # exit codes
CONDEMNED, CUT_OFF = 70, 71  # a job could not be stopped; a job closed our descriptors
WATCHDOG_S = 5.0  # how often the watchdog is put off while something runs
BEAT_S = 1.0  # how often a sign of life is given meanwhile
BEATS = 16  # at least so many while the watchdog is patient
CLOSE_S = 5.0
OOM_SCORE = "500"  # a child should be killed before the owner or the supervisor


class Oversight:
    """The child's side of its supervision: the board, and a watchdog for the case that nobody is left.

    A job that holds the interpreter silences all threads of its process. The supervisor sees that; where
    the supervisor is gone too, the watchdog (a thread in C) ends the process and says where it hung.
    """

    def __init__(self, board: Board, channel: Channel, patience_s: float) -> None:
        self.rows: list[Row] = board.rows
        self._board = board
        self._channel = channel
        self._patience_s = patience_s
        self._armed_at: float | None = None
        self._line = channel.fileno()
        self._what = _what_is(self._line)

    def beat(self, holding: bool) -> float:
        """Show a sign of life; see `Overseer`.

        The watchdog is armed while nothing runs, too: a job may hold the interpreter from its first moment.
        """
        self._board.beat(holding)
        if not self._patience_s:
            return float("inf")
        period_s = min(WATCHDOG_S, self._patience_s / 2) if holding else self._patience_s / 2
        now = monotonic()
        if self._armed_at is None or now >= self._armed_at + period_s:
            self._armed_at = now
            faulthandler.dump_traceback_later(self._patience_s, exit=True)
        due_s = self._armed_at + period_s - now
        return min(due_s, BEAT_S, self._patience_s / BEATS) if holding else due_s

    def rest(self) -> None:
        """Stop watching: nobody beats from here on."""
        self._board.rest()
        faulthandler.cancel_dump_traceback_later()

    def mind_line(self, unreported: Callable[[], list[tuple[bytes, int]]]) -> None:
        """Look whether the line's descriptor is still what it was; see `Overseer`."""
        if _what_is(self._line) == self._what:
            return
        free = (row for row in self.rows if row.read() is None)
        for row, (job_id, claim) in zip(free, unreported(), strict=False):
            row.leave(job_id, claim)
        log.critical("a job closed this process's descriptors: its lines to owner and supervisor are gone")
        _exit(CUT_OFF)

    def forked(self) -> None:
        """Let go of the supervisor's line, and end of a SIGTERM as any process does; see `Overseer`."""
        self._channel.close()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def die(self, reason: str) -> NoReturn:
        """End this process; what it held has been reported."""
        self._channel.send("dying", name=reason)
        _exit(CONDEMNED)


class Child:
    """One child: its crew, and the thread that listens to the supervisor."""

    def __init__(self, channel: Channel, board_fd: int) -> None:
        self._channel = channel
        self._board_fd = board_fd
        self.crew: Crew | None = None
        self._draining = False
        self._lock = threading.RLock()  # a signal may ask again in the very thread that asks

    def run(self) -> NoReturn:
        """Serve until told to stop; never returns."""
        for message in self._wait_for_setup():
            if message.do == "setup" and message.setup is not None:
                self._begin(message.setup)
            else:
                self._obey(message)
        while (messages := self._channel.read()) is not None:
            for message in messages:
                self._obey(message)
        log.warning("the supervisor is gone: draining")
        self.drain()
        threading.Event().wait()  # the draining thread ends the process
        raise AssertionError

    def drain(self, timeout_s: float | None = None) -> None:
        """Begin to drain in a thread of its own, then end the process."""
        with self._lock:
            if self._draining:
                if self.crew is not None:
                    self.crew.hasten(self._patience_s(timeout_s))
                return
            self._draining = True
        threading.Thread(target=self._drain, args=(timeout_s,), name="queuack-drain").start()

    def _wait_for_setup(self) -> list[Message]:
        messages = self._channel.read()
        while messages == []:
            messages = self._channel.read()
        if messages is None:
            _exit(DRAINED)
        return messages

    def _begin(self, setup: Setup) -> None:
        light_logging(setup.log_level, setup.log_format, {"child": setup.number, "pid": os.getpid()})
        configure_when_imported()
        let_threads_inherit()
        for entry in reversed(setup.path):
            if entry not in sys.path:
                sys.path.insert(0, entry)
        s = setup.settings
        board = Board(self._board_fd, s.concurrency + s.async_concurrency)
        events = Events()
        events.subscribe(self._forward)
        from queuack_store.queue import DuckQueue

        from queuack_worker.crew import Crew
        from queuack_worker.hooks import unpack

        queue = DuckQueue(
            setup.db_path,
            default_queue=setup.default_queue,
            serialization=setup.serialization,
            allowed_modules=setup.allowed_modules,
        )
        oversight = Oversight(board, self._channel, setup.patience_s)
        self.crew = Crew(queue, replace(s, hooks=unpack(setup.hooks)), oversight, events)
        self.crew.start(setup.held_back)
        if s.memory_limit is not None:
            limit_memory(s.memory_limit * s.concurrency)  # after the threads have got their stacks
        self._channel.send("ready")

    def _forward(self, event: Event) -> None:
        self._channel.send("event", name=event.name, level=event.level, facts=event.facts)

    def _obey(self, message: Message) -> None:
        crew = self.crew
        assert crew is not None
        if message.do == "drain":
            self.drain(message.timeout_s)
        elif message.do == "now":
            crew.drain_now()
            self.drain(0.0)
        elif message.do == "pause":
            crew.pause(message.name)
        elif message.do == "resume":
            crew.resume()
        elif message.do == "died" and crew.hooks is not None:
            from queuack_worker.hooks import JobEvent

            event = msgspec.convert(message.facts["event"], JobEvent)
            crew.hooks.died(event, message.facts["dead"])

    def _drain(self, timeout_s: float | None) -> None:
        crew = self.crew
        if crew is not None:
            try:
                crew.drain(self._patience_s(timeout_s))
                self._close(crew.queue)
            except Exception:
                log.exception("the drain failed")
                _exit(FAILED)
        _exit(DRAINED)

    def _patience_s(self, asked_s: float | None) -> float:
        crew = self.crew
        if asked_s is not None or crew is None:
            return asked_s or 0.0
        return crew.settings.shutdown_timeout_s

    def _close(self, queue: DuckQueue) -> None:
        # All is stored and handed back by now: an owner that doesn't answer must not keep the process.
        def close() -> None:
            try:
                queue.close()
            except QueuackError as error:
                log.warning("the queue could not be closed in order: %s", error)

        closing = threading.Thread(target=close, daemon=True)
        closing.start()
        closing.join(CLOSE_S)


def _exit(code: int) -> NoReturn:
    """End the process whatever its threads do: a job that hangs must not keep it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # a job closed it
    REALLY_EXIT(code)


def _what_is(descriptor: int) -> tuple[int, int] | None:
    """Return which file a descriptor stands for, None where it is closed."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _report_exits(child: Child) -> None:
    """Let a job that calls `os._exit` be told from those that run beside it."""
    me = os.getpid()

    def reported(status: int) -> NoReturn:
        slot = current_slot.get()
        crew = child.crew
        if os.getpid() == me and slot is not None and crew is not None:  # not in what a job has forked
            try:
                crew.exiting(slot, status)
            except Exception:
                log.exception("a job that ended its process could not be reported")
        REALLY_EXIT(status)

    os._exit = reported


def _prefer_us_to_die() -> None:
    try:
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write(OOM_SCORE)
    except OSError:
        pass  # no Linux, or not allowed


def main() -> NoReturn:
    """Run as a child; the supervisor says everything else over the socket."""
    end = socket.socket(fileno=int(sys.argv[1]))
    board_fd = int(sys.argv[2])
    os.set_inheritable(end.fileno(), False)
    os.set_inheritable(board_fd, False)
    sys.argv = sys.argv[:1]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = Child(Channel(end), board_fd)
    signal.signal(signal.SIGTERM, lambda _number, _frame: child.drain())
    _prefer_us_to_die()
    _report_exits(child)
    try:
        child.run()
    except BaseException as error:
        log.critical("the child failed: %s: %s", type(error).__name__, error, exc_info=error)
        child._channel.send("failed", name=f"{type(error).__name__}: {error}")
        _exit(FAILED)


if __name__ == "__main__":
    main()
