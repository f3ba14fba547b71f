"""Signals while a worker runs: the first asks it to drain, the second to stop at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from queuack_worker.events import log

if TYPE_CHECKING:
    from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Handles SIGINT and SIGTERM inside `with`, where that is the main thread; puts back what was there.

    Args:
        stop: set by the first signal.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._before: dict[int, Any] = {}
        self._first: Callable[[], None] | None = None
        self._second: Callable[[], None] | None = None
        self.count = 0

    def on_first(self, call: Callable[[], None]) -> None:
        """Call this at the first signal as well."""
        self._first = call

    def on_second(self, call: Callable[[], None]) -> None:
        """Call this at the second signal."""
        self._second = call

    def raise_second(self) -> None:
        """Raise KeyboardInterrupt where there was a second signal."""
        if self.count > 1:
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            # None: it was set by something that is not Python and can't be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        # The main thread may hold any lock now: what is called must not wait for one. A thread may.
        call = self._first if self.count == 1 else self._second
        threading.Thread(target=self._react, args=(call, number, self.count), daemon=True).start()

    def _react(self, call: Callable[[], None] | None, number: int, count: int) -> None:
        name = signal.Signals(number).name
        if count == 1:
            log.info("%s: draining; once more stops at once", name)
            self._stop.set()
        else:
            log.warning("%s again: stopping at once", name)
        if call is not None:
            call()
