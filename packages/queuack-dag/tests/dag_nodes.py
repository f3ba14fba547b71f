"""Node functions of the tests, importable by other processes; what they do is noted in a log on disk."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from queuack_dag import DAG, mapping
from queuack_store import DuckQueue
from queuack_stream import StreamReader, StreamWriter
from queuack_worker import TaskContext

GATES: dict[str, threading.Event] = {}
BEGUN: dict[str, threading.Event] = {}
RAN: list[str] = []  # what the functions of edited modules note


def one() -> int:
    return 1


def echo(value: Any) -> Any:
    return value


def fail(text: str = "no") -> None:
    raise ValueError(text)


def total(context: TaskContext) -> int:
    """Add up the parents' results, those of sub-DAGs too."""
    return sum(_sum(value) for value in context.upstream_all().values())


def _sum(value: Any) -> int:
    return sum(map(_sum, value.values())) if isinstance(value, dict) else int(value)


def completed(context: TaskContext) -> list[str]:
    return sorted(context.upstream_completed())


def gated(key: str) -> str:
    """Say that it has begun, then wait until the test opens the gate."""
    BEGUN[key].set()
    assert GATES[key].wait(60)
    return key


def gate(key: str) -> None:
    """Make a gate for `gated(key)`."""
    GATES[key], BEGUN[key] = threading.Event(), threading.Event()


def pid(_: int = 0) -> int:
    return os.getpid()


def meet_other(folder: str) -> int:
    """Wait until another process runs this, too; return this one's id."""
    Path(folder).mkdir(exist_ok=True)
    Path(folder, str(os.getpid())).touch()
    deadline = time.monotonic() + 60
    while len(list(Path(folder).iterdir())) < 2:
        assert time.monotonic() < deadline, "nobody came"
        time.sleep(0.01)
    return os.getpid()


def factory(queue: DuckQueue) -> DAG:
    dag = DAG("inner", queue)
    dag.add_node(echo, "first", args=(5,))
    dag.add_node(total, "left", depends_on="first")
    dag.add_node(echo, "right", args=(7,), depends_on="first")
    return dag


def nested(queue: DuckQueue) -> DAG:
    dag = DAG("middle", queue)
    dag.add_node(factory, "deep")
    dag.add_node(total, "sum", depends_on="deep")
    return dag


def note(log: str, name: str, fails: bool, kills: bool) -> str:
    """Log start and end, in one write each; with `kills`, the first attempt kills its own process."""
    _append(log, f"start {name}\n")
    flag = Path(f"{log}.{name}")
    if kills and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if fails:
        _append(log, f"fail {name}\n")
        raise RuntimeError(f"{name} fails")
    _append(log, f"end {name}\n")
    return name


def _append(log: str, line: str) -> None:
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def double(item: int) -> int:
    return 2 * item


def scale(item: int, factor: int, shift: int = 0) -> int:
    return item * factor + shift


async def double_later(item: int) -> int:
    return 2 * item


def fails_on(item: int, bad: int) -> int:
    if item == bad:
        raise ValueError(f"{item} is bad")
    return item


def count_to(count: int) -> list[int]:
    return list(range(count))


def rows_of(path: str, count: int) -> StreamReader:
    """Write rows and return a reader of them."""
    StreamWriter(path).write({"n": n} for n in range(count))
    return StreamReader(path)


def n_of(row: dict[str, int]) -> int:
    return row["n"]


def listed(context: TaskContext) -> list[Any]:
    """Return what the only parent returned."""
    return list(context.get_parent_results()[0])


def noted(item: int, log: str) -> int:
    """Note in the log that an item was run."""
    _append(log, f"{item}\n")
    return item


def kill_at(item: int, log: str) -> int:
    """Like `noted`; an item that is wanted dead kills its own process once."""
    flag = Path(f"{log}.{item}")
    if Path(f"{flag}.wanted").exists() and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return noted(item, log)


def kill_or_fail(item: int, log: str, flag: str) -> int:
    """Every fifth item fails until the flag is there; then as `kill_at`."""
    if item % 5:
        return noted(item, log)
    if not Path(flag).exists():
        raise ValueError(f"{item} fails")
    return kill_at(item, log)


class Killing:
    """Numbers; who comes to one of the victims for the first time, kills its own process."""

    def __init__(self, folder: str, count: int, victims: list[int]) -> None:
        self.folder, self.count, self.victims = folder, count, victims

    def __iter__(self) -> Iterator[int]:
        mapping.MAX_ITEMS_AT_ONCE, mapping.PART_ITEMS = 102, 30  # this process's
        for number in range(self.count):
            flag = Path(self.folder, f"killed{number}")
            if number in self.victims and not flag.exists():
                flag.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            yield number


def killing(folder: str, count: int, victims: list[int]) -> Killing:
    return Killing(folder, count, victims)
