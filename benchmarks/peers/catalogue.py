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
_HUEY = ("huey==3.5.4", *_REDIS)
# PgQueuer's command fails with newer typers.
_PGQUEUER = ("pgqueuer==1.6.0", "asyncpg==0.31.0", "typer==0.16.1", "click==8.1.8")


def _on_redis(
    name: str, packages: tuple[str, ...], settings: str, variant: str = "", default: bool = False
) -> list[QueuePeer]:
    """A queue on Redis as it comes, and on Redis that waits for the disk; only that may be a default."""
    adapter = f"{name.lower()}_peer"
    return [
        QueuePeer(f"{name}, Redis", adapter, packages, "redis", SNAPSHOT, settings, variant),
        QueuePeer(f"{name}, Redis AOF", adapter, packages, "redis-aof", POWER, settings, variant, default),
    ]


QUEUES = [
    QueuePeer(
        "queuack",
        "queuack_peer",
        (),
        None,
        POWER,
        "one DuckDB file, owner process, 2 processes",
        default=True,
    ),
    QueuePeer("huey, SQLite", "huey_peer", _HUEY, None, POWER, "fsync, 2 processes", "fsync", default=True),
    QueuePeer("huey, SQLite, no fsync", "huey_peer", _HUEY, None, PROCESS, "2 processes", "nofsync"),
    *_on_redis("huey", _HUEY, "2 processes", variant="redis"),
    *_on_redis("RQ", ("rq==3.0.0", *_REDIS), "2 SimpleWorkers"),
    *_on_redis(
        "Celery", ("celery[redis]==5.7.0", "redis==7.4.1"), "prefork 2, acks late, results", default=True
    ),
    *_on_redis("dramatiq", ("dramatiq[redis]==2.2.1", *_REDIS), "2 × 8 threads, results", default=True),
    *_on_redis("taskiq", ("taskiq==0.13.0", "taskiq-redis==1.2.4", "hiredis==3.5.0"), "2 processes, results"),
    *_on_redis(
        "SAQ",
        ("saq[redis,hiredis]==0.26.4", "typing_extensions==4.16.0", *_REDIS),
        "2 × 10 coroutines, results",
    ),
    *_on_redis("streaQ", ("streaq==7.2.0", "coredis==6.9.0"), "2 × 16 coroutines, results"),
    QueuePeer(
        "Procrastinate",
        "procrastinate_peer",
        ("procrastinate==3.10.0", "psycopg[binary]==3.3.9"),
        "postgres",
        POWER,
        "2 processes, no results",
    ),
    QueuePeer(
        "PgQueuer", "pgqueuer_peer", _PGQUEUER, "postgres", POWER, "2 processes, no results", default=True
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
    DagPeer(
        "Prefect",
        "prefect_peer.py",
        ("prefect==3.8.8", "fastapi==0.150.0"),  # with fastapi 0.165 its server can't be imported
        PROCESS,
        "task.submit, its own server on SQLite",
        nodes=300,
    ),
]

STREAM_PACKAGES = ("polars==2.1.0", "duckdb==2.0.0", "orjson==3.13.0", "pyarrow==26.0.1")
PANDAS = "pandas==3.1.1"
