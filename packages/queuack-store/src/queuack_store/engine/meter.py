"""What the engine's own thread measures of itself, since it began: commits and what they carried."""

from __future__ import annotations

from bisect import bisect_left

from queuack_store.observed import COMMITS_S, COMMITTED_REQUESTS, Histogram


class Meter:
    """Counts commits; written by the engine's thread alone."""

    def __init__(self) -> None:
        self._seconds = [0] * (len(COMMITS_S) + 1)
        self._seconds_sum = 0.0
        self._requests = [0] * (len(COMMITTED_REQUESTS) + 1)
        self._requests_sum = 0

    def committed(self, seconds: float, requests: int) -> None:
        """Count one durable append and the requests that shared it."""
        self._seconds[bisect_left(COMMITS_S, seconds)] += 1
        self._seconds_sum += seconds
        self._requests[bisect_left(COMMITTED_REQUESTS, requests)] += 1
        self._requests_sum += requests

    def shown(self) -> tuple[Histogram, Histogram]:
        """Return seconds per commit, and requests per commit."""
        return (
            Histogram(list(self._seconds), self._seconds_sum),
            Histogram(list(self._requests), float(self._requests_sum)),
        )
