"""Job functions that report, log and leave files, and hooks that write down what they heard."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import threading
import time
from pathlib import Path

from queuack_worker import TaskContext, get_context


def _wait_for(path):
    while not Path(path).exists():
        time.sleep(0.005)


def report_and_hold(address: str, until: str, context: TaskContext) -> str:
    """Say how far it is, more often than is sent, then run until a file is there."""
    for n in range(200):
        context.progress(n, 200, f"step {n}")
    context.log("halfway", "warning")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.sendto(b"reported", address)
    _wait_for(until)
    context.progress(200, 200, "done")
    context.log("the end")
    return context.job_id


def talk(lines: int, size: int = 10) -> None:
    for n in range(lines):
        get_context().log(f"{n:05d}".ljust(size, "."))


def say(text: str) -> None:
    get_context().log(text)
    get_context().progress(1, 2, text)


def leave_file(context: TaskContext) -> str:
    path = context.output_dir / "rows.txt"
    path.write_text("left")
    return str(path)


def eat(megabytes: int) -> int:
    block = bytearray(megabytes << 20)
    block[::4096] = b"x" * len(block[::4096])
    time.sleep(0.01)
    return len(block)


def burn_in_threads(seconds: float) -> None:
    def spin():
        started = time.thread_time()
        while time.thread_time() < started + seconds:
            pass

    threads = [threading.Thread(target=spin) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _meet(tag: str, folder: str, count: int) -> None:
    Path(folder, tag).touch()
    while len(os.listdir(folder)) < count:
        time.sleep(0.002)


def log_everywhere(tag: str, meet: str, count: int) -> None:
    """Log from the job's thread and one that it starts, beside `count` jobs that do the same."""
    _meet(tag, meet, count)
    log = logging.getLogger("app.module")
    for n in range(20):
        log.info("line of %s", tag, extra={"facts": {"tag": tag, "n": n, "from": "runner"}})
        time.sleep(0.001)

    def beside():
        for _ in range(10):
            log.info("beside %s", tag, extra={"facts": {"tag": tag, "from": "thread"}})
            time.sleep(0.001)

    thread = threading.Thread(target=beside)
    thread.start()
    thread.join()
    import structlog

    structlog.get_logger("app.structured").bind(tag=tag).warning("structured", **{"from": "structlog"})
    structlog.get_logger().info("100% of %s", **{"tag": tag, "from": "structlog"})


def log_at_length(tag: str, meet: str, count: int) -> None:
    """Log lines longer than a pipe keeps together, and short ones, beside `count` jobs that do the same."""
    _meet(tag, meet, count)
    log = logging.getLogger("app")
    for n in range(20):
        size = 20_000 + 4_000 * n if n % 5 else 10
        log.info(tag * size, extra={"facts": {"tag": tag, "n": n}})


async def log_async(tag: str) -> None:
    log = logging.getLogger("app.async")
    for _ in range(10):
        log.info("line of %s", tag, extra={"facts": {"tag": tag, "from": "coroutine"}})
        await asyncio.sleep(0.001)
    await asyncio.to_thread(log.info, "thread of %s", tag, extra={"facts": {"tag": tag, "from": "to_thread"}})


def log_error() -> None:
    try:
        raise KeyError("missing")
    except KeyError:
        logging.getLogger("app").exception("it went wrong")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def write_down(event) -> None:
    """A hook: adds what it heard to the file that $QUEUACK_TEST_HEARD names."""
    line = {"job_id": event.job_id, "task": event.task.split(":")[1], "attempt": event.attempt}
    line |= {"error": event.error}
    with open(os.environ["QUEUACK_TEST_HEARD"], "a") as out:
        out.write(json.dumps({**line, "pid": os.getpid(), "ran": event.duration_seconds is not None}) + "\n")


def started(event) -> None:
    write_down(event)


def raise_in_hook(event) -> None:
    raise SystemExit(f"the hook is broken on {event.task}")
