"""Redis and PostgreSQL of Debian's packages, on loopback with folders of their own, started and stopped."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGES = {"redis-server": "redis-server", "postgres": "postgresql"}
START_SECONDS = 30.0
POSTGRES_USER = "postgres"  # PostgreSQL refuses to run as root


class NoServer(Exception):
    """A peer's server can't be installed or started here."""


def install(servers: list[str]) -> None:
    """Install what is missing with apt-get, as root or by sudo; where it can't, raise NoServer."""
    programs = sorted({"postgres" if server == "postgres" else "redis-server" for server in servers})
    missing = [PACKAGES[program] for program in programs if not find(program)]
    if not missing:
        return
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    root = [] if os.getuid() == 0 else ["sudo"]
    try:
        subprocess.run([*root, *apt, "update", "-qq"], check=True)
        subprocess.run([*root, *apt, "install", "-y", "-qq", "--no-install-recommends", *missing], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoServer(
            f"{', '.join(missing)} can't be installed ({error}): install it, then run this again"
        ) from error


def find(program: str) -> str | None:
    """Where a server's program is; Debian keeps PostgreSQL's out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return shutil.which(program) or (str(found[-1]) if found else None)


@contextmanager
def serving(server: str | None, folder: Path) -> Iterator[dict[str, str]]:
    """Run a server with an empty store while the block runs; give the environment that finds it.

    `server`: None, `redis` (its default: snapshots), `redis-aof` (append-only file, fsync before each
    answer), or `postgres` (its default: durable commits).
    """
    if server is None:
        yield {}
    elif server == "postgres":
        yield from _postgres(folder)
    else:
        yield from _redis(folder, durable=server == "redis-aof")


def _redis(folder: Path, durable: bool) -> Iterator[dict[str, str]]:
    port = _free_port()
    settings = ["--appendonly", "yes", "--appendfsync", "always"] if durable else []
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), *settings]
    with (folder / "server.log").open("wb") as log:
        started = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_for(port, started, folder / "server.log")
        yield {"PEER_REDIS": f"redis://127.0.0.1:{port}/0", "PEER_SERVER_PID": str(started.pid)}
    finally:
        started.terminate()
        started.wait()


def _postgres(folder: Path) -> Iterator[dict[str, str]]:
    port, data = _free_port(), folder / "data"
    as_user = ["runuser", "-u", POSTGRES_USER, "--"] if os.getuid() == 0 else []
    if as_user:
        folder.chmod(0o755)
        data.mkdir()
        shutil.chown(data, POSTGRES_USER)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    initdb = [*as_user, str(find("initdb")), "-D", str(data), "-U", "bench", "-A", "trust", "--encoding=UTF8"]
    if subprocess.run(initdb, check=False, cwd="/", **quiet).returncode:  # type: ignore[call-overload]
        raise NoServer(f"{' '.join(initdb)} failed")
    command = [str(find("postgres")), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(data)]
    with (folder / "server.log").open("wb") as log:
        started = subprocess.Popen([*as_user, *command], stdout=log, stderr=log, cwd="/")
    try:
        _wait_for(port, started, folder / "server.log")
        process = (data / "postmaster.pid").read_text().split()[0]
        yield {"PEER_PG": f"postgresql://bench@127.0.0.1:{port}/postgres", "PEER_SERVER_PID": process}
    finally:
        subprocess.run(
            [*as_user, str(find("pg_ctl")), "stop", "-D", str(data), "-m", "fast"],
            check=False,
            cwd="/",
            **quiet,
        )  # type: ignore[call-overload]
        started.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, started: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and started.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.05)
    started.kill()
    raise NoServer(f"the server did not start: {log.read_text()[-500:]}")
