"""Memory is flat: peak above the imports in fresh processes, small and large rows, few and many."""

import json
import subprocess
import sys

import pytest

FORMATS = ["jsonl", "csv", "parquet", "arrow", "pickle", "jsonl.zst"]
LIMIT_MB = 50

CODE = """
import json, resource, sys
import queuack_stream
from queuack_stream import StreamReader, StreamWriter
path, count, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]

def small(count):
    for i in range(count):
        yield {"id": i, "value": i * 1.5, "name": f"name_{i}", "score": i % 1000 / 8}

def large(count):
    for i in range(count):
        yield {"id": i, "text": chr(97 + i % 26) * 10_000_000}

def jump(count):
    yield from small(100_000)
    for i in range(count):
        yield {"id": i, "value": 0.0, "name": "x" * 1_000_000, "score": 1.0}

rows = {"small": small, "large": large, "jump": jump}[kind]
def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
# The first rows load what the format needs.
StreamWriter(path).write(rows(min(count, 20)) if kind != "small" else rows(2000))
list(zip(range(3), StreamReader(path)))
if kind == "small":
    open("/proc/self/clear_refs", "w").write("5")
base = peak()
written = StreamWriter(path).write(rows(count))
wrote = peak()
read = sum(1 for row in StreamReader(path))
assert read == written
print(json.dumps([base, wrote - base, peak() - base]))
"""


def measure(path, count, kind="small"):
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(path), str(count), kind], capture_output=True, text=True, check=True
    )
    path.unlink()
    return json.loads(done.stdout)


SHORT_SLACK_MB = 6  # the small run of the short profile may end before its buffers have been full once

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")


@needs_proc
@pytest.mark.parametrize("suffix", FORMATS)
def test_memory_is_the_same_for_ten_times_the_rows(tmp_path, suffix):
    check_flat(tmp_path / f"a.{suffix}", 120_000, 1_200_000, SHORT_SLACK_MB)


@needs_proc
@pytest.mark.prove
@pytest.mark.timeout(600)
@pytest.mark.parametrize("suffix", FORMATS)
def test_memory_is_the_same_at_ten_million_rows(tmp_path, suffix):
    check_flat(tmp_path / f"a.{suffix}", 1_000_000, 10_000_000, 0)


def check_flat(path, few, many, slack_mb):
    base, few_write, few_all = measure(path, few)
    _, many_write, many_all = measure(path, many)
    for small, large in ((few_write, many_write), (few_all, many_all)):
        assert large <= LIMIT_MB
        assert base + large <= (base + small) * 1.1 + slack_mb


@needs_proc
@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet", "arrow", "pickle"])
def test_large_rows_stay_within_bounds(tmp_path, suffix):
    """40 rows of 10 MB, 400 MB in all, and a buffer of 16 MB."""
    base, wrote, _ = measure(tmp_path / f"a.{suffix}", 40, "large")
    assert base + wrote < 250


@needs_proc
@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet", "pickle"])
def test_rows_that_suddenly_grow_stay_within_bounds(tmp_path, suffix):
    """100,000 rows of 50 bytes, then 400 of 1 MB, 400 MB in all: at most 64 are taken unseen."""
    base, wrote, _ = measure(tmp_path / f"a.{suffix}", 400, "jump")
    assert base + wrote < 250
