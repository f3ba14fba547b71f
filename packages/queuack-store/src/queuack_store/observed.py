"""What one can see of a queue at work: plain frozen types, no I/O."""

from __future__ import annotations

import msgspec

# Upper bounds of the buckets in which waits and run times are counted, in seconds.
DURATIONS_S = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 3_600.0)
COMMITS_S = (0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)
COMMITTED_REQUESTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024)

MAX_LINE_CHARS = 4_096  # of one log line, or of a progress message
MAX_LINES = 1_000  # that one attempt may log
MAX_REPORTED = 10_000  # attempts that one request may speak of


class Histogram(msgspec.Struct, frozen=True, array_like=True):
    """How many values fell into each bucket (not cumulative; the last has no bound), and their sum."""

    counts: list[int]
    total: float


class Tallied(msgspec.Struct, frozen=True, array_like=True):
    """What has ever happened to the jobs of one queue and task; a purge takes nothing back.

    `counts` has enqueued, started, succeeded, failed (attempts), returned, retried, dead (jobs that
    failed for good), cancelled and skipped. `waits`: from when a job could start to when it did. `runs`:
    run times of attempts. Both in seconds, with the bounds `DURATIONS_S`.
    """

    queue: str
    task: str
    counts: dict[str, int]
    waits: Histogram
    runs: Histogram


class QueueVitals(msgspec.Struct, frozen=True, array_like=True):
    """One queue now. `oldest_ready_s`: how long its oldest ready job has waited, None where none is ready."""

    name: str
    paused: bool
    counts: dict[str, int]
    oldest_ready_s: float | None


class Vitals(msgspec.Struct, frozen=True, array_like=True):
    """A queue's figures. What is said of commits is since this owner began."""

    tallies: list[Tallied]
    queues: list[QueueVitals]
    commits: Histogram  # seconds of one durable append, with the bounds COMMITS_S
    batches: Histogram  # requests that share one, with the bounds COMMITTED_REQUESTS
    pid: int  # the owner's


class Held(msgspec.Struct, frozen=True, array_like=True):
    """A job that a session runs. `for_s`: since when."""

    id: bytes
    task: str
    queue: str
    attempt: int
    for_s: float


class SessionView(msgspec.Struct, frozen=True, array_like=True):
    """An open handle. `worker` is the label of its claims, empty for one that never claimed.

    `running` are jobs that have started, the longest first, at most 100; `claimed` counts all it holds.
    `held_back`: why its worker claims nothing (which limit of the machine is passed), empty where it does.
    """

    id: bytes
    pid: int
    name: str
    worker: str
    queues: list[str]
    silent_s: float
    claimed: int
    running: list[Held]
    held_back: str = ""


class Progress(msgspec.Struct, frozen=True, array_like=True):
    """How far a job says it is. `done` and `total` are in units of its own."""

    done: float
    total: float | None = None
    message: str | None = None


class LogLine(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A line that a job logged. `line` counts them within the attempt, from 1; `at` is its worker's clock."""

    line: int
    at: float
    level: str
    message: str


class Reported(msgspec.Struct, frozen=True, array_like=True):
    """What one running attempt has to say: its latest progress, and lines that are new."""

    id: bytes
    claim: int
    progress: Progress | None = None
    lines: list[LogLine] = []
