"""Payloads made to break things: each comes back equal or is a clear error."""

from __future__ import annotations

import math
from typing import Any

import pytest
from queuack_store import BackpressureError, PayloadError, PayloadTooLargeError, payload
from queuack_store.payload import decode_call, decode_result, encode_call, encode_result
from queuack_store.requests import MAX_PAYLOAD_BYTES


def take(*args: Any, **kwargs: Any) -> int:
    return len(args) + len(kwargs)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


class RecursionBomb:
    """Pickling it never ends."""

    def __reduce__(self) -> Any:
        return (RecursionBomb, (), {"again": RecursionBomb()})


class HostileError:
    """Pickling it raises an error whose text raises too."""

    def __reduce__(self) -> Any:
        class Silent(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no text for you")

        raise Silent


def back(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    func, args, kwargs = decode_call(*encode_call(take, args, kwargs))
    assert func is take
    return args, kwargs


@pytest.mark.parametrize(
    "value",
    [
        "", b"", "a\0b", b"\0" * 100, "\ud800\udfff", "🦆" * 1_000, "'; DROP TABLE jobs; --", math.inf, 2**63,
        2**63 - 1, -(2**200), nested(50), "x" * (1 << 20), {"__main__": "__main__"}, {1: {2: {3: (4,)}}},
        BackpressureError("full", queue="q"),
    ],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_it_comes_back_equal(value: Any) -> None:
    args, kwargs = back(value, key=value)
    for got in (args[0], kwargs["key"]):
        assert got == value or repr(got) == repr(value)
    result = decode_result(encode_result(value))
    assert result == value or repr(result) == repr(value)


def test_nan_and_ten_thousand_arguments() -> None:
    assert math.isnan(back(math.nan)[0][0])
    args, kwargs = back(*range(10_000), **{f"k{i}": i for i in range(10_000)})
    assert (len(args), len(kwargs)) == (10_000, 10_000)
    assert take(*args, **kwargs) == 20_000


@pytest.mark.parametrize(
    "value", [nested(100_000), RecursionBomb(), HostileError()], ids=["deep", "bomb", "silent"]
)
def test_what_cannot_be_pickled_is_an_error_that_names_it(value: Any) -> None:
    with pytest.raises(PayloadError, match=r"argument 1 of .*take"):
        encode_call(take, (0, value))
    with pytest.raises(PayloadError, match="return a path"):
        encode_result(value)


@pytest.mark.parametrize("serialization", payload.SERIALIZATIONS)
def test_the_limit_is_exact(serialization: str) -> None:
    overhead = len(encode_call(take, ("x" * 70_000,), None, serialization)[1]) - 70_000
    fits = "x" * (MAX_PAYLOAD_BYTES - overhead)
    task, body = encode_call(take, (fits,), None, serialization)
    assert len(body) == MAX_PAYLOAD_BYTES
    assert decode_call(task, body)[1] == (fits,)
    with pytest.raises(PayloadTooLargeError, match="pass its path") as caught:
        encode_call(take, (fits + "x",), None, serialization)
    assert caught.value.facts["size"] == MAX_PAYLOAD_BYTES + 1

    overhead = len(encode_result("x" * 70_000, serialization) or b"") - 70_000
    fits = "x" * (MAX_PAYLOAD_BYTES - overhead)
    assert decode_result(encode_result(fits, serialization)) == fits
    with pytest.raises(PayloadTooLargeError, match="return a path"):
        encode_result(fits + "x", serialization)
