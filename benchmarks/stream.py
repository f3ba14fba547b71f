"""Rows per second, memory and file size of queuack-stream beside what people would write by hand.

Dict rows `{id, value, name, score}` from a generator are written to a file and read back row by row as
dicts. Each implementation writes, and reads, in a fresh process: after a warm-up, one timed run; memory is
the peak above what the process had after imports and warm-up. The implementations take turns, round after
round, so that a busy moment of the machine hurts all of them alike; medians of the rounds count. The
processor's time is shown beside: it hardly minds a busy machine, but also counts what several threads
spend. Nobody waits for the disk.

    python benchmarks/stream.py [--quick] [--rows N] [--runs N] [--only NAME] [--json PATH]
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a script: this folder's queue.py would hide the standard library's
    sys.path.remove(str(Path(__file__).resolve().parent))
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import argparse
import csv
import importlib
import json
import os
import pickle
import statistics
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from benchmarks import measuring
from benchmarks.measuring import Failure, Row, row

Rows = Iterable[dict[str, Any]]
NAMES = ["id", "value", "name", "score"]
BATCH = 16_384
ENOUGH = 1_000_000  # rows: with fewer the buffers never fill, and the peak says nothing
LIBRARIES = ["queuack-stream", "pyarrow", "msgspec", "orjson", "polars", "pandas", "duckdb"]


def generate(count: int) -> Iterator[dict[str, Any]]:
    for i in range(count):
        yield {"id": i, "value": i * 1.5, "name": f"name_{i}", "score": i % 1000 / 8}


def chunks(rows: Rows, size: int = BATCH) -> Iterator[list[dict[str, Any]]]:
    pull = iter(rows)
    return iter(lambda: list(islice(pull, size)), [])


# --- one pair of functions an implementation: write(path, rows), read(path) -> iterator of dicts


def floor_write(path: str, rows: Rows) -> None:
    count = sum(1 for _ in rows)
    with open(path, "wb") as file:
        file.truncate(count)  # a file without content, as long as there were rows


def floor_read(path: str) -> Iterator[dict[str, Any]]:
    return generate(os.path.getsize(path))


def queuack_write(path: str, rows: Rows) -> None:
    from queuack_stream import StreamWriter

    StreamWriter(path).write(rows)


def queuack_read(path: str) -> Iterator[dict[str, Any]]:
    from queuack_stream import StreamReader

    return iter(StreamReader(path))


def record_batches(rows: Rows) -> Iterator[Any]:
    import pyarrow as pa

    for chunk in chunks(rows):
        columns = [pa.array([row[name] for row in chunk]) for name in NAMES]
        yield pa.RecordBatch.from_arrays(columns, names=NAMES)


def pyarrow_write(path: str, rows: Rows, **settings: Any) -> None:
    import pyarrow.parquet as pq

    writer = None
    for batch in record_batches(rows):
        writer = writer or pq.ParquetWriter(path, batch.schema, **settings)
        writer.write_batch(batch)
    writer.close()


def pyarrow_lean_write(path: str, rows: Rows) -> None:
    pyarrow_write(path, rows, use_dictionary=False, write_statistics=False)


def pyarrow_read(path: str) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches(BATCH):
        yield from batch.to_pylist()


def polars_frame(rows: Rows) -> Any:
    import polars as pl
    from polars.io.plugins import register_io_source

    schema = {"id": pl.Int64, "value": pl.Float64, "name": pl.String, "score": pl.Float64}

    def source(*_: Any) -> Iterator[Any]:
        for chunk in chunks(rows):
            yield pl.DataFrame({name: [row[name] for row in chunk] for name in NAMES}, schema=schema)

    return register_io_source(source, schema=schema)


def polars_write(path: str, rows: Rows) -> None:
    frame = polars_frame(rows)
    sinks = {"parquet": frame.sink_parquet, "csv": frame.sink_csv, "jsonl": frame.sink_ndjson}
    sinks[path.rsplit(".", 1)[1]](path)


def polars_read(path: str) -> Iterator[dict[str, Any]]:
    import polars as pl

    scans = {"parquet": pl.scan_parquet, "csv": pl.scan_csv, "jsonl": pl.scan_ndjson}
    for batch in scans[path.rsplit(".", 1)[1]](path).collect_batches():
        yield from batch.iter_rows(named=True)


def duckdb_write(path: str, rows: Rows) -> None:
    import duckdb
    import pyarrow as pa

    schema = pa.schema(
        [("id", pa.int64()), ("value", pa.float64()), ("name", pa.string()), ("score", pa.float64())]
    )
    connection = duckdb.connect()
    connection.register("source", pa.RecordBatchReader.from_batches(schema, record_batches(rows)))
    options = {"parquet": "(format parquet)", "csv": "(format csv, header)", "jsonl": "(format json)"}
    connection.execute(f"copy source to '{path}' {options[path.rsplit('.', 1)[1]]}")


def pandas_write(path: str, rows: Rows) -> None:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    suffix, writer = path.rsplit(".", 1)[1], None
    with open(path, "w") as file:
        for chunk in chunks(rows):
            frame = pd.DataFrame(chunk)
            if suffix == "csv":
                frame.to_csv(file, index=False, header=file.tell() == 0)
            elif suffix == "jsonl":
                frame.to_json(file, orient="records", lines=True)
            else:
                table = pa.Table.from_pandas(frame, preserve_index=False)
                writer = writer or pq.ParquetWriter(path, table.schema)
                writer.write_table(table)
    if writer:
        writer.close()


def orjson_write(path: str, rows: Rows) -> None:
    import orjson

    with open(path, "wb") as file:
        file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def orjson_read(path: str) -> Iterator[dict[str, Any]]:
    import orjson

    with open(path, "rb") as file:
        yield from map(orjson.loads, file)


def dictwriter_write(path: str, rows: Rows) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, NAMES)
        writer.writeheader()
        writer.writerows(rows)


def dictreader_read(path: str) -> Iterator[dict[str, Any]]:
    with open(path, newline="") as file:
        yield from csv.DictReader(file)


def csvwriter_write(path: str, rows: Rows) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(NAMES)
        writer.writerows(list(row.values()) for row in rows)


def csvreader_read(path: str) -> Iterator[dict[str, Any]]:
    with open(path, newline="") as file:
        reader = csv.reader(file)
        names = next(reader)
        for record in reader:
            yield dict(zip(names, record, strict=True))


def pickle_batch_write(path: str, rows: Rows) -> None:
    with open(path, "wb") as file:
        for chunk in chunks(rows, 1000):
            pickle.dump(chunk, file, 5)


def pickle_batch_read(path: str) -> Iterator[dict[str, Any]]:
    with open(path, "rb") as file:
        while True:
            try:
                yield from pickle.load(file)
            except EOFError:
                return


def pickle_each_write(path: str, rows: Rows) -> None:
    with open(path, "wb") as file:
        for row in rows:
            pickle.dump(row, file, 5)


def pickle_each_read(path: str) -> Iterator[dict[str, Any]]:
    with open(path, "rb") as file:
        while True:
            try:
                yield pickle.load(file)
            except EOFError:
                return


CASES: dict[str, tuple[Any, Any, list[str]]] = {
    "none/floor": (floor_write, floor_read, []),
    "parquet/queuack": (queuack_write, queuack_read, ["pyarrow.parquet", "queuack_stream"]),
    "parquet/pyarrow": (pyarrow_write, pyarrow_read, ["pyarrow.parquet"]),
    "parquet/pyarrow-lean": (pyarrow_lean_write, pyarrow_read, ["pyarrow.parquet"]),
    "parquet/polars": (polars_write, polars_read, ["polars"]),
    "parquet/pandas": (pandas_write, None, ["pandas", "pyarrow.parquet"]),
    "parquet/duckdb": (duckdb_write, None, ["duckdb", "pyarrow"]),
    "arrow/queuack": (queuack_write, queuack_read, ["pyarrow", "queuack_stream"]),
    "jsonl/queuack": (queuack_write, queuack_read, ["queuack_stream"]),
    "jsonl/orjson": (orjson_write, orjson_read, ["orjson"]),
    "jsonl/polars": (polars_write, polars_read, ["polars"]),
    "jsonl/pandas": (pandas_write, None, ["pandas", "pyarrow.parquet"]),
    "jsonl/duckdb": (duckdb_write, None, ["duckdb", "pyarrow"]),
    "csv/queuack": (queuack_write, queuack_read, ["queuack_stream"]),
    "csv/csv.writer": (csvwriter_write, csvreader_read, []),
    "csv/csv.DictWriter": (dictwriter_write, dictreader_read, []),
    "csv/polars": (polars_write, polars_read, ["polars"]),
    "csv/pandas": (pandas_write, None, ["pandas", "pyarrow.parquet"]),
    "csv/duckdb": (duckdb_write, None, ["duckdb", "pyarrow"]),
    "pickle/queuack": (queuack_write, queuack_read, ["queuack_stream"]),
    "pickle/batches": (pickle_batch_write, pickle_batch_read, []),
    "pickle/each": (pickle_each_write, pickle_each_read, []),
}


def memory(key: str) -> float:
    with open("/proc/self/status") as file:
        found = next((line for line in file if line.startswith(key)), "x 0")
    return int(found.split()[1]) / 1024


def child(name: str, path: str, count: int, operation: str) -> dict[str, float]:
    """One operation of one implementation, in this process and nothing else: seconds and memory."""
    write, read, imports = CASES[name]
    for module in imports:
        importlib.import_module(module)
    warm = f"{path}.warm.{name.split('/')[0]}"
    write(warm, generate(20_000))
    if operation == "read":
        deque(read(warm), maxlen=0)
    os.unlink(warm)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak begins anew
    base = memory("VmRSS")
    used = time.process_time()
    began = time.perf_counter()
    if operation == "write":
        write(path, generate(count))
    else:
        for _row in read(path):
            pass
    seconds, used = time.perf_counter() - began, time.process_time() - used
    return {"seconds": seconds, "cpu_seconds": used, "peak_mb": memory("VmHWM") - base}


class Broken(Exception):
    """An implementation can't do this here: the last line of what it said."""


def in_a_child(name: str, count: int, operation: str, folder: str) -> dict[str, float]:
    """Run one operation in a process of its own."""
    path = os.path.join(folder, f"{name.replace('/', '-')}.{name.split('/')[0]}")
    command = [sys.executable, __file__, "--child", name, path, str(count), operation]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise Broken(ended.stderr.strip().splitlines()[-1])
    return {**json.loads(ended.stdout), "file_mb": os.path.getsize(path) / 1e6}


def measure(
    names: list[str], count: int, runs: int, folder: str
) -> Iterator[tuple[list[Row], list[Failure]]]:
    """Let the implementations take turns; after each round give rows and failures."""
    rounds: dict[tuple[str, str], list[dict[str, float]]] = {}
    failed: dict[str, str] = {}
    for _ in range(runs):
        for name in names:
            for operation, function in zip(("write", "read"), CASES[name], strict=False):
                if function is None or name in failed:
                    continue
                try:
                    found = in_a_child(name, count, operation, folder)
                except Broken as error:
                    print(f"{name} skipped: {error}")
                    failed[name] = str(error)
                else:
                    rounds.setdefault((name, operation), []).append(found)
        rows = []
        for (name, operation), done in rounds.items():
            kind, system = name.split("/")
            rows += _rows(f"{operation} {kind}", system, done, count)
        failures = [
            measuring.failure("stream", name.partition("/")[2], name.partition("/")[0], why)
            for name, why in failed.items()
        ]
        yield rows, failures
    if ("parquet/queuack", "write") in rounds and count >= ENOUGH:
        yield [*rows, ten_times(count, rounds["parquet/queuack", "write"], folder)], failures


def ten_times(count: int, done: list[dict[str, float]], folder: str) -> Row:
    """How the peak grows when ten times the rows are written: it should not."""
    many = in_a_child("parquet/queuack", 10 * count, "write", folder)
    ratio = many["peak_mb"] / statistics.median(one["peak_mb"] for one in done)
    measure, settings = "write parquet, peak memory of ten times the rows", {"rows": 10 * count}
    return row("stream", measure, [ratio], "× the peak", durable=False, settings=settings)


def _rows(measure: str, system: str, done: list[dict[str, float]], count: int) -> Iterator[Row]:
    used = statistics.median(one["cpu_seconds"] for one in done)
    facts: dict[str, Any] = {"system": system, "durable": False}
    settings = {"rows": count, "cpu_ns": round(used / count * 1e9)}
    rates = [count / one["seconds"] for one in done]
    yield row("stream", measure, rates, "rows/s", settings=settings, **facts)
    if measure.startswith("write"):
        sizes = [one["file_mb"] for one in done]
        yield row("stream", f"{measure}, file", sizes, "MB", settings={"rows": count}, **facts)
    peaks = [one["peak_mb"] for one in done]
    yield row("stream", f"{measure}, peak memory", peaks, "MB", settings={"rows": count}, **facts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="200,000 rows instead of 1,000,000")
    parser.add_argument("--rows", type=int, help="rows to write and read")
    parser.add_argument("--runs", type=int, default=3, help="rounds, and so timed runs of each (3)")
    parser.add_argument("--only", help="only implementations whose name contains this")
    parser.add_argument("--json", help="where to write the results as JSON")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        name, path, count, operation = asked.child
        print(json.dumps(child(name, path, int(count), operation)))
        return
    count = asked.rows or (200_000 if asked.quick else 1_000_000)
    names = [name for name in CASES if asked.only is None or asked.only in name or name == "none/floor"]
    with tempfile.TemporaryDirectory(prefix="queuack-bench-") as folder:
        facts = measuring.machine(folder, LIBRARIES)
        facts["profile"] = "quick" if asked.quick else "full"
        print(" · ".join(f"{key} {value}" for key, value in facts.items()), flush=True)
        rows: list[Row] = []
        for rows, failures in measure(names, count, asked.runs, folder):
            measuring.save(asked.json, facts, rows, failures)
    measuring.show(rows)


if __name__ == "__main__":
    main()
