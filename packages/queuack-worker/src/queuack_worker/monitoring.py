"""What a pool shows over HTTP, put together: its metrics and its health, around one supervisor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queuack_store.errors import WaitTimeoutError
from queuack_store.requests import GetVitals, Stats

from queuack_worker.health import Health
from queuack_worker.metrics import PoolMetrics
from queuack_worker.serving import Answer, Page, Pages
from queuack_worker.sight import EventCounts

if TYPE_CHECKING:
    from queuack_store.observed import Vitals
    from queuack_store.queue import DuckQueue

    from queuack_worker.supervisor import Supervisor

ANSWER_S = 5.0  # how long the owner may take; Prometheus itself gives up after 10 s


class Monitor:
    """Serves /metrics, /livez and /readyz for a supervisor, until it is closed.

    Raises:
        WorkerStartError: the address can't be served on.
    """

    def __init__(self, supervisor: Supervisor, queue: DuckQueue, host: str, port: int) -> None:
        self._queue = queue
        counts = EventCounts()
        supervisor.events.subscribe(counts.note)
        metrics = PoolMetrics(queue.db_path, self._vitals, supervisor.view, counts)
        health = Health(supervisor.view, lambda: self._ask(Stats()))

        def page(accept: str) -> Answer:
            body, content_type = metrics.exposition(accept)
            return 200, content_type, body

        pages: dict[str, Page] = {"/metrics": page, "/livez": health.livez, "/readyz": health.readyz}
        self._pages = Pages(pages, host, port)
        self.port = self._pages.port

    def close(self) -> None:
        """Serve no more."""
        self._pages.close()

    def _vitals(self) -> Vitals:
        return self._ask(GetVitals())  # type: ignore[no-any-return]

    def _ask(self, request: Any) -> Any:
        try:
            return self._queue.store.call(request, ANSWER_S)
        except WaitTimeoutError:
            raise WaitTimeoutError(f"no answer within {ANSWER_S:g} s") from None
