"""A shell command as a job: what `queuack add` enqueues. It needs nothing but the command itself."""

from __future__ import annotations

import os
import re
import selectors
import shlex
import signal
import subprocess
import time
from collections import deque
from contextlib import suppress
from typing import IO, Any

MAX_KEPT = 1 << 20  # bytes of each stream: its beginning and its end
MAX_TOLD = 7_000  # characters of each stream that a failed attempt keeps: its text has room for 16,000
LOOK_S = 0.2  # a time-out or cancellation reaches this thread between two waits, so at most so late
GRACE_S = 2.0  # between SIGTERM and SIGKILL; below the worker's own grace period
READ_BYTES = 1 << 16
READS = 16  # at once: no pipe holds more, and who writes without end must not keep a command that has ended

# Runs "$@" as the leader of a process group. A guard in that group reads the worker's end of a pipe and
# kills the group when the pipe ends, as it does when the worker's process is killed; a line lets it go.
_GUARDED = """
exec 3<&0 0</dev/null
{ trap '' TERM; read -r _ <&3 || kill -KILL 0; } >/dev/null 2>&1 &
exec "$@" 3<&-
"""


class CommandFailedError(Exception):
    """The command ended with another exit code than 0, or by a signal."""


def run_command(command: list[str], folder: str | None = None) -> dict[str, Any]:
    """Run a command and return its `command, exit_code, stdout, stderr, seconds` as a dict.

    Its processes are a group of their own, which a time-out, a cancellation or the worker's death ends
    as a whole. Of each stream 1 MB is kept: its beginning and its end.

    Args:
        command: the program and its arguments. folder: where it runs; by default where the worker does.

    Raises:
        CommandFailedError: it did not end with 0; command and output are the error's notes.
        FileNotFoundError: there is no such folder.
    """
    __tracebackhide__ = True  # of interest is where the command failed, not where it was started
    began = time.monotonic()
    if folder is not None and not os.path.isdir(folder):
        raise FileNotFoundError(
            f"there is no folder {folder}, in which {shlex.join(command)[:500]} should run"
        )
    process = subprocess.Popen(
        ["/bin/sh", "-c", _GUARDED, "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        cwd=folder,
        start_new_session=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        kept = {process.stdout: _Kept(), process.stderr: _Kept()}
        try:
            _follow(process, kept)
            with suppress(BrokenPipeError):  # it killed its own group, and the guard with it
                process.stdin.write(b"\n")
        except BaseException as error:
            _end_group(process)
            for stream in kept:
                _read(stream, kept)  # what the interrupt left in the pipe
            _told(error, command, *(part.text() for part in kept.values()))
            raise
    output, errors = (part.text() for part in kept.values())
    if process.returncode:
        raise _failure(command, process.returncode, output, errors)
    seconds = time.monotonic() - began
    return {"command": command, "exit_code": 0, "stdout": output, "stderr": errors, "seconds": seconds}


def program_tag(command: list[str]) -> str:
    """Return the program's name as a tag, by which lists show the job."""
    words = command[0].split() if len(command) == 1 else command
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", os.path.basename(words[0] if words else ""))
    return name[:128] or "sh"


class _Kept:
    """The beginning and the end of a stream."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = self._left_out = 0

    def add(self, data: bytes) -> None:
        """Take what was read next."""
        room = MAX_KEPT // 2 - len(self._head)
        self._head += data[:room]
        if data[room:]:
            self._tail.append(data[room:])
            self._tail_size += len(data[room:])
        while self._tail and self._tail_size - len(self._tail[0]) >= MAX_KEPT // 2:
            gone = len(self._tail.popleft())
            self._tail_size -= gone
            self._left_out += gone

    def text(self) -> str:
        """Return it as text, saying where something is missing."""
        gap = f"\n… {self._left_out:,} bytes left out …\n".encode() if self._left_out else b""
        return (bytes(self._head) + gap + b"".join(self._tail)).decode(errors="replace")


def _follow(process: subprocess.Popen[bytes], kept: dict[IO[bytes], _Kept]) -> None:
    # Until the command has ended; what it left running in the background may go on and hold the streams.
    with selectors.DefaultSelector() as selector:
        for stream in kept:
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ)
        ended = False
        while not ended:
            ended = process.poll() is not None
            if selector.get_map():
                for key, _ in selector.select(0 if ended else LOOK_S):
                    if not _read(key.fileobj, kept):  # type: ignore[arg-type]
                        selector.unregister(key.fileobj)
            elif not ended:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK_S)


def _read(stream: IO[bytes], kept: dict[IO[bytes], _Kept]) -> bool:
    for _ in range(READS):
        data = stream.read(READ_BYTES)
        if not data:
            return data is None  # nothing just now, not the end
        kept[stream].add(data)
    return True


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
        os.killpg(process.pid, signal.SIGKILL)  # the guard ignores SIGTERM: the group is still this one


def _failure(command: list[str], code: int, output: str, errors: str) -> CommandFailedError:
    how = f"exit code {code}" if code > 0 else f"killed by {signal.Signals(-code).name}"
    said = [line for line in (errors.strip() or output.strip()).splitlines() if line.strip()]
    failure = CommandFailedError(f"{how}: {said[-1][:500]}" if said else how)
    _told(failure, command, output, errors)
    return failure


def _told(error: BaseException, command: list[str], output: str, errors: str) -> None:
    # Notes stand below the error, wherever its traceback is shown.
    error.add_note(f"$ {_ends(shlex.join(command), 1_000)}")
    for name, text in (("stdout", output), ("stderr", errors)):
        if text:
            error.add_note(f"--- {name} ---\n{_ends(text, MAX_TOLD).removesuffix(chr(10))}")


def _ends(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    tail = most * 3 // 4  # the cause stands at the end, mostly
    return f"{text[: most - tail]}\n… {len(text) - most:,} characters left out …\n{text[-tail:]}"
