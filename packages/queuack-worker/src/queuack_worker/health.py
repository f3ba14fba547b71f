"""Whether a pool lives and whether it is ready to run jobs, with the reasons where it is not."""

from __future__ import annotations

from collections.abc import Callable

from queuack_store.errors import QueuackError

from queuack_worker.serving import Answer, answer_json
from queuack_worker.sight import PoolView

HUNG_S = 30.0  # a supervisor goes round at least every second; one that has not for so long is stuck


class Health:
    """The answers of /livez and /readyz.

    Args:
        look: returns the pool as it is now.
        reach: raises QueuackError where the queue's owner does not answer.
    """

    def __init__(self, look: Callable[[], PoolView], reach: Callable[[], object]) -> None:
        self._look = look
        self._reach = reach

    def livez(self, _accept: str = "") -> Answer:
        """Answer whether the supervisor goes round: 200, or 503 with what is wrong."""
        silent_s = self._look().silent_s
        reasons = [] if silent_s < HUNG_S else [f"the supervisor has not gone round for {silent_s:.0f} s"]
        return _answer("alive", reasons)

    def readyz(self, _accept: str = "") -> Answer:
        """Answer whether the pool takes jobs: 200, or 503 with what keeps it."""
        view = self._look()
        reasons = []
        if view.state != "running":
            reasons.append({"draining": "it drains", "stopping": "it stops"}.get(view.state, view.state))
        elif not any(child.ready and not child.leaving for child in view.children):
            reasons.append("no child process is ready")
        if view.paused is not None:
            reasons.append(f"it claims nothing: {view.paused}")
        try:
            self._reach()
        except QueuackError as error:
            reasons.append(f"the queue's owner does not answer: {error}")
        return _answer("ready", reasons)


def _answer(word: str, reasons: list[str]) -> Answer:
    return answer_json(503 if reasons else 200, {word: not reasons, "reasons": reasons})
