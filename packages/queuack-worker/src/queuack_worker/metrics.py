"""Metrics for Prometheus, gathered when they are asked for: the only room that knows prometheus_client.

What happened to jobs is counted by the queue's owner, in the record that makes it durable; so the counters
are right over any number of processes, survive all of them, and need no directory of files. A pool adds
what only it knows: its children.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from queuack_store.errors import QueuackError
from queuack_store.observed import COMMITS_S, COMMITTED_REQUESTS, DURATIONS_S, Histogram, QueueVitals, Vitals

from queuack_worker.events import log
from queuack_worker.resources import used_by
from queuack_worker.sight import EventCounts, PoolView

MAX_QUEUES = 100  # with gauges of their own; the rest is summed as "other"
OTHER = "other"
JOB_COUNTERS = {
    "enqueued": ("queuack_jobs_enqueued", "Jobs that were enqueued."),
    "started": ("queuack_jobs_started", "Attempts that started."),
    "succeeded": ("queuack_jobs_succeeded", "Attempts that succeeded."),
    "failed": ("queuack_jobs_failed", "Attempts that failed, those whose process died included."),
    "retried": ("queuack_jobs_retried", "Failed attempts that will be followed by another."),
    "returned": ("queuack_jobs_returned", "Attempts that were handed back unspent."),
    "dead": ("queuack_jobs_dead", "Jobs that failed for good."),
    "cancelled": ("queuack_jobs_cancelled", "Jobs that were cancelled."),
    "skipped": ("queuack_jobs_skipped", "Jobs that were skipped: a parent failed, or they expired."),
}
POOL_COUNTERS = {
    "child_started": ("queuack_children_started", "Child processes that were started."),
    "child_died": ("queuack_children_died", "Child processes that ended without being told to."),
    "child_recycled": ("queuack_children_recycled", "Child processes that were replaced in good order."),
}


class PoolMetrics:
    """The metrics of one pool and of the queue it works on.

    Args:
        file: the queue's path: the label that tells files apart.
        ask: returns the queue's vitals, or raises QueuackError where the owner does not answer.
        look: returns the pool as it is now. counts: of the pool's events.
    """

    def __init__(
        self, file: str, ask: Callable[[], Vitals], look: Callable[[], PoolView], counts: EventCounts
    ) -> None:
        self._file = file
        self._ask = ask
        self._look = look
        self._counts = counts
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return the page for a scraper that accepts these formats, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics; called by prometheus_client for each page."""
        yield from self._pool()
        up = GaugeMetricFamily("queuack_owner_up", "1 where the queue's owner answers.", labels=["file"])
        try:
            vitals = self._ask()
        except QueuackError as error:
            log.warning("the metrics are without the queue's: %s", error)
            up.add_metric([self._file], 0)
            yield up
            return
        up.add_metric([self._file], 1)
        yield up
        yield from self._jobs(vitals)
        yield from self._queues(vitals.queues)
        yield from self._owner(vitals)

    def _jobs(self, vitals: Vitals) -> Iterator[Metric]:
        labels = ["file", "queue", "task"]
        for key, (name, text) in JOB_COUNTERS.items():
            counter = CounterMetricFamily(name, text, labels=labels)
            for tally in vitals.tallies:
                counter.add_metric([self._file, tally.queue, tally.task], tally.counts.get(key, 0))
            yield counter
        waits = HistogramMetricFamily(
            "queuack_job_wait_seconds", "From when a job could start to when an attempt did.", labels=labels
        )
        runs = HistogramMetricFamily("queuack_job_run_seconds", "Run times of attempts.", labels=labels)
        for tally in vitals.tallies:
            for family, found in ((waits, tally.waits), (runs, tally.runs)):
                _add(family, [self._file, tally.queue, tally.task], found, DURATIONS_S)
        yield waits
        yield runs

    def _queues(self, queues: Sequence[QueueVitals]) -> Iterator[Metric]:
        depth = GaugeMetricFamily("queuack_queue_jobs", "Jobs by state.", labels=["file", "queue", "state"])
        oldest = GaugeMetricFamily(
            "queuack_queue_oldest_ready_seconds",
            "How long the oldest ready job has waited; 0 where none is ready.",
            labels=["file", "queue"],
        )
        paused = GaugeMetricFamily("queuack_queue_paused", "1 where paused.", labels=["file", "queue"])
        for queue in _bounded(queues):
            for state, count in sorted(queue.counts.items()):
                depth.add_metric([self._file, queue.name, state], count)
            oldest.add_metric([self._file, queue.name], queue.oldest_ready_s or 0.0)
            paused.add_metric([self._file, queue.name], queue.paused)
        yield from (depth, oldest, paused)

    def _owner(self, vitals: Vitals) -> Iterator[Metric]:
        commits = HistogramMetricFamily(
            "queuack_owner_commit_seconds", "Time that one durable append takes.", labels=["file"]
        )
        _add(commits, [self._file], vitals.commits, COMMITS_S)
        batches = HistogramMetricFamily(
            "queuack_owner_commit_requests", "Requests that share one durable append.", labels=["file"]
        )
        _add(batches, [self._file], vitals.batches, COMMITTED_REQUESTS)
        memory = GaugeMetricFamily(
            "queuack_owner_resident_memory_bytes", "Resident memory of the owner.", labels=["file"]
        )
        cpu = CounterMetricFamily(
            "queuack_owner_cpu_seconds", "Processor time of the owner.", labels=["file"]
        )
        used = used_by(vitals.pid)
        if used is not None:
            memory.add_metric([self._file], used.rss)
            cpu.add_metric([self._file], used.cpu_s)
        yield from (commits, batches, memory, cpu)

    def _pool(self) -> Iterator[Metric]:
        view = self._look()
        running = GaugeMetricFamily(
            "queuack_pool_running", "1 where the pool runs, 0 where it drains or stops.", labels=["file"]
        )
        running.add_metric([self._file], view.state == "running")
        paused = GaugeMetricFamily(
            "queuack_pool_paused", "1 where a limit of the machine keeps it from claiming.", labels=["file"]
        )
        paused.add_metric([self._file], view.paused is not None)
        children = GaugeMetricFamily(
            "queuack_children", "Child processes by state.", labels=["file", "state"]
        )
        states = [_state(child.ready, child.leaving) for child in view.children]
        for name in ("starting", "ready", "leaving"):
            children.add_metric([self._file, name], states.count(name))
        labels = ["file", "child"]
        flying = GaugeMetricFamily("queuack_child_jobs_in_flight", "Jobs that run in a child.", labels=labels)
        memory = GaugeMetricFamily(
            "queuack_child_resident_memory_bytes", "Resident memory of a child.", labels=labels
        )
        cpu = CounterMetricFamily(
            "queuack_child_cpu_seconds", "Processor time of the child in this place.", labels=labels
        )
        # While a child is replaced two have its number: the newer one is shown, the other still ends.
        by_number = {child.number: child for child in sorted(view.children, key=lambda c: not c.leaving)}
        for number, child in sorted(by_number.items()):
            flying.add_metric([self._file, str(number)], child.running)
            used = used_by(child.pid)
            if used is not None:
                memory.add_metric([self._file, str(number)], used.rss)
                cpu.add_metric([self._file, str(number)], used.cpu_s)
        yield from (running, paused, children, flying, memory, cpu)
        for event, (name, text) in POOL_COUNTERS.items():
            counter = CounterMetricFamily(name, text, labels=["file"])
            counter.add_metric([self._file], self._counts.of(event))
            yield counter


def _state(ready: bool, leaving: bool) -> str:
    if leaving:
        return "leaving"
    return "ready" if ready else "starting"


def _add(family: HistogramMetricFamily, labels: list[str], found: Histogram, bounds: Iterable[float]) -> None:
    names = [str(float(bound)) for bound in bounds] + ["+Inf"]
    family.add_metric(labels, list(zip(names, accumulate(found.counts), strict=True)), found.total)


def _bounded(queues: Sequence[QueueVitals]) -> Iterator[QueueVitals]:
    """Yield the queues; past the first hundred (the fullest) their sum."""
    if len(queues) <= MAX_QUEUES:
        yield from queues
        return
    ranked = sorted(queues, key=lambda queue: (-sum(queue.counts.values()), queue.name))
    yield from sorted(ranked[:MAX_QUEUES], key=lambda queue: queue.name)
    counts: dict[str, int] = {}
    for queue in ranked[MAX_QUEUES:]:
        for state, count in queue.counts.items():
            counts[state] = counts.get(state, 0) + count
    ages = [queue.oldest_ready_s for queue in ranked[MAX_QUEUES:] if queue.oldest_ready_s is not None]
    yield QueueVitals(OTHER, False, counts, max(ages, default=None))
