"""Jobs that hold the interpreter in C, and such that run beside them."""

from __future__ import annotations

import asyncio
import ctypes
from pathlib import Path

from worker_jobs import hold, tell


def hog(address: str) -> None:
    """Say that it began, then hold the interpreter for a very long time."""
    tell(address, "hog")
    ctypes.PyDLL(None).sleep(1_000_000)


async def hog_async(address: str) -> None:
    """Do so on the loop."""
    hog(address)


def beside(address: str, until: str) -> str:
    """Run in a thread until a file is there."""
    return hold(address, until)


async def beside_async(address: str, until: str) -> str:
    """Run on the loop until a file is there."""
    tell(address)
    while not Path(until).exists():
        await asyncio.sleep(0.005)
    return "held"
