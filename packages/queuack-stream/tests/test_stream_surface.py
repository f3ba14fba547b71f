"""The public names, and what importing them costs."""

import subprocess
import sys

import queuack_stream


def test_the_exports_are_these_and_sorted():
    assert queuack_stream.__all__ == [
        "CorruptFileError",
        "Format",
        "LengthUnknownError",
        "MissingLibraryError",
        "NotAPathError",
        "QueryError",
        "RowError",
        "SchemaError",
        "StreamError",
        "StreamReader",
        "StreamWriter",
        "UnknownFormatError",
        "UntrustedFileError",
        "async_generator_task",
        "generator_task",
        "register_format",
        "streaming_task",
    ]
    assert queuack_stream.__all__ == sorted(queuack_stream.__all__)
    assert all(callable(getattr(queuack_stream, name)) for name in queuack_stream.__all__)


def test_every_error_is_a_stream_error():
    errors = [getattr(queuack_stream, name) for name in queuack_stream.__all__ if name.endswith("Error")]
    assert all(issubclass(error, queuack_stream.StreamError) for error in errors)


def run(code: str) -> str:
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return found.stdout.strip()


def test_import_is_light_and_brings_nothing_of_queuack():
    heavy = ["pyarrow", "msgspec", "duckdb", "polars", "pandas", "numpy", "asyncio.events", "queuack"]
    code = f"""
import sys, queuack_stream
heavy = {[name for name in heavy if name != "asyncio.events"]}
print([n for n in heavy if n in sys.modules] + [n for n in sys.modules if n.startswith("queuack_") and
      not n.startswith("queuack_stream")])
"""
    assert run(code) == "[]"


def test_json_lines_and_csv_need_no_pyarrow(tmp_path):
    code = f"""
import sys
from queuack_stream import StreamReader, StreamWriter
for path in ({str(tmp_path / "a.jsonl")!r}, {str(tmp_path / "a.csv")!r}):
    StreamWriter(path).write([{{"a": 1}}])
    list(StreamReader(path))
print("pyarrow" in sys.modules)
"""
    assert run(code) == "False"


def test_errors_survive_pickling():
    import pickle

    for error in (
        queuack_stream.RowError(3, "a", object(), "why", "hint"),
        queuack_stream.CorruptFileError("p", "line 2", "why"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again).startswith(str(error)[:20])
