"""Who is at the other end: the credentials of a socket, and whether a process still lives.

A process is known by its pid, its start time, the boot and the pid namespace: a pid alone is reused.
"""

from __future__ import annotations

import os
import socket
import struct
import sys

from queuack_store.jobs import SessionInfo

_MAC_LEVEL = 0  # SOL_LOCAL
_MAC_PEERCRED = 1
_MAC_PEERPID = 2
_XUCRED = struct.Struct("Ii")  # version, uid; groups follow
_XUCRED_BYTES = 76
_UCRED = struct.Struct("3i")


def credentials(sock: socket.socket) -> tuple[int, int]:
    """Return (pid, uid) of the process that connected or listens at the other end; pid 0 where unknown.

    Raises:
        OSError: the peer is gone.
    """
    if sys.platform == "darwin":
        raw = sock.getsockopt(_MAC_LEVEL, _MAC_PEERCRED, _XUCRED_BYTES)
        uid = _XUCRED.unpack_from(raw)[1]
        return sock.getsockopt(_MAC_LEVEL, _MAC_PEERPID), uid
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, _ = _UCRED.unpack(raw)
    return pid, uid


def watch(pid: int) -> int | None:
    """Return a descriptor that becomes readable when the process ends, or None where there is no such thing.

    Raises:
        ProcessLookupError: it has ended.
    """
    if pid <= 0 or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:  # too many descriptors, or a kernel without it: the socket alone must do
        return None


def _stat_fields(pid: int) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat from the third on, or None where there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read().decode("ascii", "replace")
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def started(pid: int) -> int:
    """Return a process's start time in clock ticks since boot; 0 where it can't be told."""
    fields = _stat_fields(pid)
    return int(fields[19]) if fields else 0


def is_stopped(pid: int) -> bool:
    """Return whether the process is stopped (SIGSTOP, a debugger)."""
    fields = _stat_fields(pid)
    return bool(fields) and fields[0] in "tT"  # type: ignore[index]


def boot() -> str:
    """Return an id of this boot and pid namespace: pids of different ones can't be compared."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.read().strip()}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def this_session(session: bytes, name: str = "") -> SessionInfo:
    """Return this process as the holder of `session`."""
    pid = os.getpid()
    return SessionInfo(session, pid, started(pid), boot(), name)


def is_gone(info: SessionInfo) -> bool:
    """Return whether the session's process has certainly ended; False where it can't be told."""
    here = boot()
    if not info.pid or not info.boot_id or not here:
        return False
    if info.boot_id.split("/")[0] != here.split("/")[0]:
        return True
    if info.boot_id != here:
        return False
    fields = _stat_fields(info.pid)
    return fields is None or fields[0] in "ZX" or int(fields[19]) != info.started
