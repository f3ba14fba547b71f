"""The README's code runs as it stands and says what it shows; the table of types in the docs is true."""

import dataclasses
import datetime as dt
import enum
import re
import uuid
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from queuack_stream import RowError, StreamReader, StreamWriter

README = Path(__file__).parents[1] / "README.md"
DOCS = Path(__file__).parents[3] / "docs" / "stream.md"


def code_blocks(path):
    return re.findall(r"^```python\n(.*?)^```", path.read_text(), re.S | re.M)


def shown_values(block):
    """(expression, what its comment says) of each line that shows a value."""
    lines = block.splitlines()
    for at, line in enumerate(lines):
        expression, mark, comment = line.strip().partition("  # ")
        if mark and not expression.endswith(":"):
            yield expression.split(" = ", 1)[-1] if " = " in expression.split("(")[0] else expression, comment
        elif at + 1 < len(lines) and lines[at + 1].startswith("# "):
            yield line.strip(), lines[at + 1][2:]


def test_the_tour_runs_verbatim(tmp_path, monkeypatch):
    pytest.importorskip("duckdb")
    pytest.importorskip("polars")
    monkeypatch.chdir(tmp_path)
    scope = {}
    checked = 0
    blocks = code_blocks(README)
    for block in blocks:
        exec(compile(block, "README.md", "exec"), scope)
        if "except" in block:
            continue
        for expression, comment in shown_values(block):
            if ".write(" in expression and "append" in expression:
                continue
            found = repr(eval(expression, scope))
            assert found == comment, expression
            checked += 1
    assert len(blocks) == 7
    assert checked >= 10


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int


class Opaque:
    def __eq__(self, other):
        return type(other) is Opaque

    __hash__ = None


BERLIN = dt.datetime(2024, 5, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
SAMPLES = {
    "None": None,
    "bool": True,
    "int of 64 bits": 2**63 - 1,
    "int of up to 76 digits": -(10**75),
    "int of more digits": 10**80,
    "float": 0.1,
    "NaN and infinities": float("inf"),
    "text": 'any, "text"\n\0é',
    "text with a lone surrogate": "\ud800",
    "bytes": b"\x00\xff",
    "bytearray": bytearray(b"x"),
    "date": dt.date(2024, 5, 1),
    "datetime": dt.datetime(2024, 5, 1, 12, 30, 1, 5),
    "datetime with a zone": BERLIN,
    "time": dt.time(12, 30),
    "time with a zone": dt.time(12, 30, tzinfo=dt.UTC),
    "timedelta": dt.timedelta(days=1, microseconds=5),
    "Decimal": Decimal("1.50"),
    "Decimal NaN": Decimal("NaN"),
    "UUID": uuid.UUID(int=5),
    "Enum": Colour.RED,
    "list": [1, None, 2],
    "tuple": (1, 2),
    "set": {1},
    "dict": {"a": 1, "b": {"c": [None, "x"]}},
    "an empty dict": {},
    "dict with int keys": {1: "x"},
    "dataclass": Point(1),
    "any other object": Opaque(),
}


def outcome(folder, suffix, row):
    path = folder / f"a.{suffix}"
    try:
        StreamWriter(path).write([{"first": 1}, row] if "v" not in row else [row])
    except RowError:
        return "refused"
    found = list(StreamReader(path))[-1]
    if "v" not in row:
        return "kept" if found == row else "converted"
    same = type(found["v"]) is type(row["v"]) and repr(found["v"]) == repr(row["v"])
    return "kept" if same or (type(found["v"]) is Opaque) else "converted"


def table():
    for line in DOCS.read_text().split("## Types", 1)[1].split("\n\nNotes", 1)[0].splitlines():
        if line.startswith("| ") and not line.startswith("| type"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.skipif(not DOCS.exists(), reason="the docs are not part of this package's archive")
def test_the_table_of_types_is_true(tmp_path):
    documented = {kind: [cell.split(" ")[0] for cell in cells] for kind, *cells in table()}
    samples = {kind: {"v": value} for kind, value in SAMPLES.items()} | {"a missing column": {"other": "x"}}
    assert set(documented) == set(samples)
    for kind, row in samples.items():
        found = [outcome(tmp_path, suffix, row) for suffix in ("jsonl", "csv", "parquet", "arrow", "pickle")]
        assert found == documented[kind], kind
