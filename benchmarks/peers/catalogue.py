"""Which peers there are: packages, pinned; servers; settings; what an accepted job survives."""

from __future__ import annotations

from dataclasses import dataclass

POWER = "power loss"
SNAPSHOT = "nothing since the last snapshot (up to an hour)"
PROCESS = "the death of its process"


@dataclass(frozen=True)
class QueuePeer:
    """A queue as it is measured. `default`: part of the run without `--all`."""

    system: str
    adapter: str
    packages: tuple[str, ...]
    server: str | None
    durable: str
    settings: str
    variant: str = ""
    default: bool = False


_REDIS = ("redis==7.4.1", "hiredis==3.5.0")
_CELERY = ("celery[redis]==5.7.0", "redis==7.4.1")
_DRAMATIQ = ("dramatiq[redis]==2.2.1", *_REDIS)
_TASKIQ = ("taskiq==0.13.0", "taskiq-redis==1.2.4", "hiredis==3.5.0")
_SAQ = ("saq[redis,hiredis]==0.26.4", "typing_extensions==4.16.0", *_REDIS)
_RQ = ("rq==3.0.0", *_REDIS)
_STREAQ = ("streaq==7.2.0", "coredis==6.9.0")
_PGQUEUER = (
    "pgqueuer==1.6.0",
    "asyncpg==0.31.0",
    "typer==0.16.1",
    "click==8.1.8",
)  # its CLI fails with newer typers
_HUEY = ("huey==3.5.4", *_REDIS)

OURS = QueuePeer(
    "queuack", "queuack_peer", (), None, POWER, "one DuckDB file, owner process, 2 processes", default=True
)
QUEUES = [
    OURS,
    QueuePeer(
        "huey, SQLite", "huey_peer", _HUEY, None, POWER, "fsync=True, 2 processes", "fsync", default=True
    ),
    QueuePeer("huey, SQLite, no fsync", "huey_peer", _HUEY, None, PROCESS, "2 processes", "nofsync"),
    QueuePeer("huey, Redis", "huey_peer", _HUEY, "redis", SNAPSHOT, "2 processes", "redis"),
    QueuePeer("huey, Redis AOF", "huey_peer", _HUEY, "redis-aof", POWER, "2 processes", "redis"),
    QueuePeer("RQ, Redis", "rq_peer", _RQ, "redis", SNAPSHOT, "2 SimpleWorkers"),
    QueuePeer("RQ, Redis AOF", "rq_peer", _RQ, "redis-aof", POWER, "2 SimpleWorkers"),
    QueuePeer("Celery, Redis", "celery_peer", _CELERY, "redis", SNAPSHOT, "prefork 2, acks late, results"),
    QueuePeer(
        "Celery, Redis AOF",
        "celery_peer",
        _CELERY,
        "redis-aof",
        POWER,
        "prefork 2, acks late, results",
        default=True,
    ),
    QueuePeer("dramatiq, Redis", "dramatiq_peer", _DRAMATIQ, "redis", SNAPSHOT, "2 × 8 threads, results"),
    QueuePeer(
        "dramatiq, Redis AOF",
        "dramatiq_peer",
        _DRAMATIQ,
        "redis-aof",
        POWER,
        "2 × 8 threads, results",
        default=True,
    ),
    QueuePeer("taskiq, Redis", "taskiq_peer", _TASKIQ, "redis", SNAPSHOT, "2 processes, results"),
    QueuePeer("taskiq, Redis AOF", "taskiq_peer", _TASKIQ, "redis-aof", POWER, "2 processes, results"),
    QueuePeer("SAQ, Redis", "saq_peer", _SAQ, "redis", SNAPSHOT, "2 × 10 coroutines, results"),
    QueuePeer("SAQ, Redis AOF", "saq_peer", _SAQ, "redis-aof", POWER, "2 × 10 coroutines, results"),
    QueuePeer("streaQ, Redis", "streaq_peer", _STREAQ, "redis", SNAPSHOT, "2 × 16 coroutines, results"),
    QueuePeer("streaQ, Redis AOF", "streaq_peer", _STREAQ, "redis-aof", POWER, "2 × 16 coroutines, results"),
    QueuePeer(
        "Procrastinate",
        "procrastinate_peer",
        ("procrastinate==3.10.0", "psycopg[binary]==3.3.9"),
        "postgres",
        POWER,
        "2 processes, no results",
    ),
    QueuePeer(
        "PgQueuer",
        "pgqueuer_peer",
        _PGQUEUER,
        "postgres",
        POWER,
        "2 processes, no results",
        default=True,
    ),
]


@dataclass(frozen=True)
class DagPeer:
    """A workflow engine as it is measured: a script that prints milliseconds per node of each shape."""

    system: str
    script: str
    packages: tuple[str, ...]
    durable: str
    settings: str
    arguments: tuple[str, ...] = ()
    nodes: int = 1_000
    default: bool = False


_DASK = ("dask[distributed]==2026.8.0",)
DAGS = [
    DagPeer(
        "queuack", "queuack_dag_peer.py", (), POWER, "one DuckDB file, execute() with threads", default=True
    ),
    DagPeer("dask, threads", "dask_peer.py", _DASK, "nothing", "dask.delayed", ("threads",), default=True),
    DagPeer("dask.distributed", "dask_peer.py", _DASK, "nothing", "2 processes", ("distributed",)),
    DagPeer(
        "Luigi", "luigi_peer.py", ("luigi==3.8.1",), PROCESS, "local scheduler, target files", default=True
    ),
    DagPeer("Hamilton", "hamilton_peer.py", ("sf-hamilton==1.90.0",), "nothing", "driver, one thread"),
]

STREAM_PACKAGES = ("polars==2.1.0", "duckdb", "orjson==3.13.0", "pyarrow")
PANDAS = "pandas==3.1.1"
