"""Job functions that threads and children run: plain ones, slow ones, and poison."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from queuack_worker import (
    Cancel,
    Discard,
    JobTimeoutError,
    Snooze,
    TaskContext,
    async_task,
    get_context,
    retry_rules,
    retry_task,
    timed_task,
)


def add(a: int, b: int) -> int:
    return a + b


def nothing() -> None:
    return None


def pid() -> int:
    return os.getpid()


def fail(text: str = "no luck") -> None:
    raise ValueError(text)


def fail_hidden(text: str) -> None:
    __tracebackhide__ = True
    fail(text)


def append(path: str, line: str) -> None:
    """Add a line: one write, so that processes don't mix theirs."""
    with open(path, "a") as out:
        out.write(f"{line}\n")


def mark(path: str, ms: float = 0.0) -> None:
    append(path, f"start {os.getpid()}")
    if ms:
        time.sleep(ms / 1000)
    append(path, f"end {os.getpid()}")


def tell(address: str, text: str = "") -> None:
    """Say that a job began: a datagram to the test, which waits for it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.sendto(f"{os.getpid()} {text}".encode(), address)


def hold(address: str, until: str) -> str:
    """Say that it began, then run until a file is there."""
    tell(address)
    while not Path(until).exists():
        time.sleep(0.005)
    return "held"


def spin(address: str | None = None) -> None:
    """Run Python for ever."""
    if address:
        tell(address)
    while True:
        pass


def nap(seconds: float, address: str | None = None) -> str:
    """Sleep in C, where an exception can't reach it."""
    if address:
        tell(address)
    time.sleep(seconds)
    return "woke"


def stubborn(address: str | None = None) -> None:
    """Swallow every attempt to stop it."""
    if address:
        tell(address)
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue


def tidy_after_timeout(path: str) -> str:
    try:
        while True:
            pass
    except JobTimeoutError:
        append(path, "tidied")
        return "too late"


# What a context may look like.
def ctx_first(context: TaskContext, a: int) -> tuple[str, int]:
    return context.job_id, a


def ctx_last(a: int, ctx: TaskContext) -> tuple[str, int]:
    return ctx.job_id, a


def ctx_keyword(a: int, *, context: Any = None) -> tuple[str, int]:
    return context.job_id, a


def ctx_positional(context: Any, a: int, /) -> tuple[str, int]:
    return context.job_id, a


def ctx_implicit(a: int) -> tuple[str, int]:
    context = get_context()
    assert context is not None
    return context.job_id, a


async def ctx_async(a: int, context: TaskContext) -> tuple[str, int]:
    await asyncio.sleep(0)
    assert get_context() is not None
    return context.job_id, a


class Callable_:
    """A callable object with a context."""

    def __call__(self, a: int, context: TaskContext) -> tuple[str, int]:
        return context.job_id, a


def facts(context: TaskContext) -> dict[str, Any]:
    return {
        "attempt": context.attempt,
        "queue": context.queue_name,
        "run": context.dag_run_id,
        "path": context.queue.db_path,
    }


def enqueue_more(context: TaskContext) -> str:
    return context.queue.enqueue(add, (3, 4))


def parents(context: TaskContext) -> dict[str, Any]:
    names = context.get_parent_names()
    return {
        "results": context.get_parent_results(),
        "first": context.get_parent_result(names[0]),
        "by_name": context.upstream(names[0]),
        "missing": context.upstream_or("nobody", 7),
        "has": context.has_upstream(names[0]),
        "has_any": context.has_upstream_any("nobody", names[0]),
        "completed": len(context.upstream_completed()),
    }


def all_of_any(context: TaskContext) -> Any:
    return context.upstream_all()


def any_of_any(context: TaskContext) -> Any:
    return context.upstream_any()


# Outcomes and retries.
def snooze_once(path: str, seconds: float) -> Any:
    if not Path(path).exists():
        Path(path).touch()
        return Snooze(seconds)
    context = get_context()
    assert context is not None
    return context.attempt


def cancel_me() -> Cancel:
    return Cancel("not needed")


def discard_me() -> Discard:
    return Discard("beyond help")


@retry_rules(no_retry_on=ValueError)
def never_again() -> None:
    raise ValueError("wrong for good")


@retry_rules(retry_on=(OSError,))
def only_os_errors(path: str) -> None:
    append(path, "try")
    raise KeyError("not worth it")


@retry_task(max_attempts=3, delay=0.0)
def flaky(path: str) -> int:
    append(path, "try")
    tries = len(Path(path).read_text().splitlines())
    if tries < 3:
        raise ConnectionError(f"try {tries}")
    return tries


@timed_task
def timed(a: int) -> int:
    return a * 2


@async_task
async def doubled(a: int) -> int:
    await asyncio.sleep(0)
    return a * 2


async def meet(names: list[str], mine: str, folder: str) -> int:
    """Wait until all the others run too: proof that they share the loop at the same time."""
    (Path(folder) / mine).touch()
    while not all((Path(folder) / name).exists() for name in names):
        await asyncio.sleep(0.001)
    return threading.get_ident()


async def sleep_async(seconds: float, address: str | None = None) -> None:
    if address:
        tell(address)
    await asyncio.sleep(seconds)


async def fail_async() -> None:
    raise LookupError("async trouble")


# Copies.
def fork(address: str, gate: str) -> str:
    """Fork; both come back from the job, the copy only when its test lets it."""
    copy = os.fork()
    if copy == 0:
        tell(address, "copy")
        while not Path(gate).exists():
            time.sleep(0.005)
        return "copy"
    return f"real {os.getpid()} of {copy}"


def fork_and_raise() -> int:
    copy = os.fork()
    if copy == 0:
        raise ValueError("in the copy")
    return os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])


def fork_and_end_it() -> int:
    """Fork, and end the copy as multiprocessing ends its processes."""
    heard, told = os.pipe()
    copy = os.fork()
    if copy == 0:
        os.write(told, b".")
        while True:
            signal.pause()
    os.read(heard, 1)
    os.kill(copy, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])


async def fork_async(waits: bool) -> int:
    copy = os.fork()
    if copy == 0:
        if waits:
            await asyncio.sleep(0)
        return -1
    loop = asyncio.get_running_loop()
    _, status = await loop.run_in_executor(None, os.waitpid, copy, 0)
    return os.waitstatus_to_exitcode(status)


# Poison.
def segfault() -> None:
    ctypes.string_at(0)


def exit_process(code: int) -> None:
    os._exit(code)


def exit_quietly() -> None:
    sys.exit(3)


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hog() -> int:
    return len(bytearray(8 << 30))


def hoard() -> int:
    """Take memory in small pieces until there is none."""
    pieces = []
    while True:
        pieces.append(bytearray(64 << 10))


def hoard_in(cgroup: str) -> None:
    """Take memory where the kernel's OOM killer watches over it."""
    (Path(cgroup) / "cgroup.procs").write_text(str(os.getpid()))
    hoard()


def leave_a_process(path: str) -> None:
    """Start a process, say which, and die."""
    process = subprocess.Popen(["sleep", "1000"])
    Path(path).write_text(str(process.pid))
    kill_self()


def spin_in_c() -> None:
    """Hold the interpreter in C for a very long time."""
    ctypes.PyDLL(None).sleep(1_000_000)


def unpicklable() -> Any:
    return threading.Lock()


class Unprintable(Exception):
    """An error that can't say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("not even this")


class Unpicklable(Exception):
    """An error that can't be pickled."""

    def __init__(self) -> None:
        super().__init__("held a lock")
        self.lock = threading.Lock()


def raise_unprintable() -> None:
    raise Unprintable


def raise_unpicklable() -> None:
    raise Unpicklable


def flood() -> str:
    line = "x" * 1023 + "\n"
    for _ in range(4_096):
        sys.stdout.write(line)
    sys.stdout.flush()
    return "wet"


def delete_cwd() -> str:
    home = tempfile.mkdtemp()
    os.chdir(home)
    os.rmdir(home)
    return "gone"


def huge() -> bytes:
    return bytes(100 << 20)


def close_everything() -> str:
    sys.stdout.close()
    sys.stderr.close()
    return "closed"


def close_descriptors(address: str, then: float) -> str:
    """Close what is not its own, as daemons do, and come back some time later."""
    if address:
        tell(address)
    os.closerange(3, 256)
    time.sleep(then)
    return "closed"


def recurse() -> None:
    recurse()
