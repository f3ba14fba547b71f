"""docs/protocol.md says what the code does: every message with its elements, and every limit."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from queuack_store import requests
from queuack_store.sharing import connection, courier, frames, lobby, ownerlog, places, server

PAGE = Path(__file__).parents[4] / "docs" / "protocol.md"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the package stands alone here")

WORDS = {"text": "message"}  # what the page calls an element otherwise than the code


def _told() -> dict[str, list[str]]:
    """Return the messages of the page's tables: each name with its elements, defaults included."""
    rows = re.findall(r'^\| `\["(\w+)"(.*?)\]` \|', PAGE.read_text("utf-8"), re.MULTILINE)
    return {name: [part.strip() for part in rest.split(",") if part.strip()] for name, rest in rows}


def _meant(kind: Any) -> list[str]:
    meant = []
    required = len(kind.__struct_fields__) - len(kind.__struct_defaults__)
    for place, name in enumerate(kind.__struct_fields__):
        name = WORDS.get(name, name)
        if place < required:
            meant.append(name)
            continue
        default = kind.__struct_defaults__[place - required]
        value = default if isinstance(default, (bool, bytes)) else default.factory()
        meant.append(f"{name}={json.dumps(value.hex() if isinstance(value, bytes) else value)}")
    return meant


def test_every_message_is_there_with_its_elements() -> None:
    kinds = (*get_args(frames.FromClient), *get_args(frames.FromOwner))
    assert _told() == {kind.__struct_config__.tag: _meant(kind) for kind in kinds}


def _megabytes(size: int) -> str:
    return f"{size >> 20} MB"


@pytest.mark.parametrize(
    "words",
    [
        f"This is version {frames.PROTOCOL}",
        f"`protocol` is {frames.PROTOCOL}.",
        f"at most {frames.MAX_FRAME_BYTES:,} ({frames.MAX_FRAME_BYTES >> 20} MiB)",
        f"at most {frames.MAX_MESSAGE_BYTES:,} bytes",
        f"the first message of a connection at most {frames.MAX_HELLO_BYTES >> 20} MiB",
        f"over {places.MAX_SOCKET_PATH} bytes",
        f"kept below {ownerlog.MAX_LOG_BYTES >> 10} KB",
        f"{requests.MAX_BATCH_JOBS:,} jobs and {requests.MAX_BATCH_BYTES >> 20} MB in a request",
        f"{connection.MAX_INFLIGHT:,} open requests in a session",
        f"has over {_megabytes(connection.MAX_INFLIGHT_BYTES)} of requests unanswered",
        f"or {_megabytes(connection.PAUSE_UNSENT_BYTES)} of replies unread",
        f"leaves over {_megabytes(connection.MAX_UNSENT_BYTES)} of replies unread",
        f"is the {lobby.MAX_CONNECTIONS + 1:,}th connection",
        f"says no `hello` within {server.GREETING_S:g} s",
        f"{server.LINGER_S:g} s after its last client has vanished",
        f"sends something at least every {courier.BEAT_S:g} s",
        f"neither a request nor a `ping` for {courier.SILENT_S:g} s",
    ],
)
def test_every_limit_is_told(words: str) -> None:
    assert words in " ".join(PAGE.read_text("utf-8").split())


def test_the_requests_it_shows_are_requests() -> None:
    names = {kind.__struct_config__.tag for kind in requests.REPLIES}
    examples = PAGE.read_text("utf-8").split("## Requests")[1].split("```")[1]
    shown = set(re.findall(r'^\["(\w+)"', examples, re.MULTILINE))
    assert len(shown) >= 5
    assert shown <= names
