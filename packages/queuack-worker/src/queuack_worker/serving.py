"""A worker's small HTTP server: /metrics for Prometheus, /livez and /readyz for whoever restarts it.

It binds to 127.0.0.1 unless told otherwise, answers GET only, and refuses names in `Host` that are not
this machine's: a web page must not reach it through a name of its own (DNS rebinding).
"""

from __future__ import annotations

import errno
import ipaddress
import json
import socket
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from queuack_worker.errors import WorkerStartError
from queuack_worker.events import log

MORE_PORTS = 9  # tried after the one asked for, for more workers on one machine
REQUEST_S = 10.0  # a client that says nothing for so long is dropped

Answer = tuple[int, str, bytes]  # status, content type, body
Page = Callable[[str], Answer]  # given the Accept header


def answer_json(status: int, body: object) -> Answer:
    """Return an answer with a JSON body."""
    return status, "application/json", json.dumps(body).encode() + b"\n"


class Pages:
    """Serves pages by path in threads of this process until it is closed.

    Args:
        pages: by path. host, port: where; 0 picks any free port.

    Attributes:
        port: where they are served; None where the port and the nine after it are all taken.

    Raises:
        WorkerStartError: there is no such address, or it is not this user's to take.
    """

    port: int | None = None

    def __init__(self, pages: dict[str, Page], host: str, port: int) -> None:
        handler = type("Handler", (_Handler,), {"pages": pages, "names": _own_names(host)})
        self._server = _listen(handler, host, port)
        if self._server is None:
            return
        self.port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="queuack-http", daemon=True
        ).start()
        log.info("metrics on http://%s:%d/metrics", f"[{host}]" if ":" in host else host, self.port)

    def close(self) -> None:
        """Serve no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


def _listen(handler: Any, host: str, port: int) -> ThreadingHTTPServer | None:
    """Take the port, or the next that is free: a second worker on a machine must not die of the first."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = type("Server", (_Server,), {"address_family": family})
    last = port if port == 0 else min(port + MORE_PORTS, 65_535)
    for candidate in range(port, last + 1):
        try:
            server: ThreadingHTTPServer = kind((host, candidate), handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            raise WorkerStartError(
                f"metrics can't be served on {host}:{candidate}: {error.strerror}. Give another "
                "--metrics-host or --metrics-port, or --no-metrics",
                host=host,
                port=candidate,
            ) from error
        if candidate != port:
            log.warning("port %d is taken: metrics are served on port %d", port, candidate)
        return server
    log.warning(
        "the ports %d to %d of %s are all taken: this worker serves no metrics. Give another --metrics-port, "
        "0 for any free one, or --no-metrics", port, last, host,
    )  # fmt: skip
    return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    allow_reuse_port = False


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    pages: dict[str, Page]
    names: Sequence[str]
    timeout = REQUEST_S
    server_version, sys_version = "queuack", ""

    def do_GET(self) -> None:
        """Answer GET."""
        status, content_type, body = self._answer()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def _answer(self) -> Answer:
        if not _is_ours(self.headers.get("Host", ""), self.names):
            return answer_json(421, {"error": "this Host is not this machine: use its address or its name"})
        page = self.pages.get(self.path.partition("?")[0])
        if page is None:
            return answer_json(404, {"error": f"there are {', '.join(self.pages)}"})
        try:
            return page(self.headers.get("Accept", ""))
        except Exception as error:
            log.exception("%s could not be made", self.path)
            return answer_json(500, {"error": f"{type(error).__name__}: {error}"})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing: a scraper comes every few seconds."""


def _own_names(host: str) -> list[str]:
    return ["localhost", host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()]


def _is_ours(header: str, names: Sequence[str]) -> bool:
    """Return whether a Host header names this machine: by an address, or by a name of its own."""
    name = header.rpartition("]")[0].lstrip("[") if header.startswith("[") else header.partition(":")[0]
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.lower().rstrip(".") in names
    return True
