"""What jobs tell the test that waits for them."""

from __future__ import annotations

import socket
from pathlib import Path


class Signals:
    """Datagrams from jobs to the test, which waits for them."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "signals")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.settimeout(60.0)

    def wait(self) -> str:
        """Wait for the next one and return its text."""
        return self._socket.recv(4_096).decode()

    def begun(self) -> int:
        """Wait for a job to say that it began; return the process it runs in."""
        return int(self.wait().split()[0])

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()
