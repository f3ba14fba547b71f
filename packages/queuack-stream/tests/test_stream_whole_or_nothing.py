"""A file is there whole or not at all; a damaged one gives its good rows and then says where it breaks."""

import hashlib
import os
import signal
import subprocess
import sys

import pytest
from queuack_stream import CorruptFileError, RowError, StreamReader, StreamWriter, UnknownFormatError

EVERY = [
    "jsonl",
    "csv",
    "parquet",
    "arrow",
    "pickle",
    "jsonl.gz",
    "jsonl.zst",
    "csv.gz",
    "csv.zst",
    "pickle.zst",
]


def rows(count, fail_at=None):
    for i in range(count):
        if i == fail_at:
            raise RuntimeError("the source broke")
        yield {"id": i, "text": f"row {i}", "half": i / 2}


def read_until_error(path):
    """The rows that come, and the error that ends them."""
    found = []
    with pytest.raises(CorruptFileError) as caught:  # noqa: PT012 - what came before the error matters
        for row in StreamReader(path):
            found.append(row)  # noqa: PERF402 - a list() would lose what came before the error
    return found, caught.value


@pytest.mark.parametrize("suffix", EVERY)
@pytest.mark.parametrize("fail_at", [0, 1, 20_000])
def test_a_failing_source_leaves_nothing(tmp_path, suffix, fail_at):
    path = tmp_path / f"a.{suffix}"
    with pytest.raises(RuntimeError, match="the source broke"):
        StreamWriter(path, row_group_rows=1000).write(rows(30_000, fail_at))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        StreamWriter(tmp_path / "none" / "a.csv").write(rows(1))
    assert caught.value.filename == str(tmp_path / "none")


def test_a_folder_in_the_files_place_is_said_before_the_first_row(tmp_path):
    pulled = []
    with pytest.raises(IsADirectoryError) as caught:
        StreamWriter(tmp_path, "csv").write(pulled.append(row) or row for row in rows(3))
    assert caught.value.filename == str(tmp_path)
    assert not pulled


@pytest.mark.parametrize("suffix", EVERY)
def test_a_failing_source_leaves_the_old_file(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    StreamWriter(path).write(rows(3))
    before = path.read_bytes()
    with pytest.raises(RuntimeError):
        StreamWriter(path).write(rows(9000, 8000))
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", EVERY)
def test_a_killed_writer_leaves_no_file_that_looks_finished(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    code = f"""
import os, signal
from queuack_stream import StreamWriter
def rows():
    for i in range(50_000):
        if i == 40_000:
            os.kill(os.getpid(), signal.SIGKILL)
        yield {{"id": i, "text": "x" * 20}}
StreamWriter({str(path)!r}, row_group_rows=1000).write(rows())
"""
    ended = subprocess.run([sys.executable, "-c", code], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not path.exists()
    assert all(one.name.startswith(".") for one in tmp_path.iterdir())


@pytest.mark.parametrize("suffix", EVERY)
@pytest.mark.parametrize("keep", [0.4, 0.97])
def test_a_truncated_file_gives_its_good_rows_and_the_place(tmp_path, suffix, keep):
    path = tmp_path / f"a.{suffix}"
    StreamWriter(path, row_group_rows=1000).write(rows(20_000))
    good = list(StreamReader(path))
    length = int(path.stat().st_size * keep)
    if suffix == "csv":  # cut within its last field, a record looks whole
        length = path.read_bytes().rfind(b",row", 0, length)
    os.truncate(path, length - 3)
    found, error = read_until_error(path)
    assert found == good[: len(found)]
    assert error.place
    assert str(path) in str(error)
    if suffix not in ("parquet",):  # whose footer holds the places of all its rows
        assert found


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "pickle", "jsonl.gz", "csv.zst", "pickle.gz"])
def test_a_file_cut_to_nothing_is_an_error(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    StreamWriter(path).write([])
    assert not list(StreamReader(path))
    os.truncate(path, 0)
    assert read_until_error(path)[0] == []


def test_a_compressed_pickle_without_its_checksum(tmp_path):
    path = tmp_path / "a.pickle.gz"
    StreamWriter(path).write(rows(100))
    os.truncate(path, path.stat().st_size - 3)
    found, error = read_until_error(path)
    assert found == list(rows(100))
    assert error.place == "the end"


def test_a_value_that_damage_made_impossible_comes_after_the_good_rows(tmp_path):
    path = tmp_path / "a.arrow"
    StreamWriter(path, compression="none").write({"a": f"text {i}"} for i in range(100))
    data = path.read_bytes()
    path.write_bytes(data.replace(b"text 70", b"te\xfft 70"))
    found, error = read_until_error(path)
    assert found == [{"a": f"text {i}"} for i in range(70)]
    assert "after row 69" in error.place


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet", "arrow", "pickle"])
def test_nonsense_is_an_error_that_names_the_place(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b'\x93NUMPY"\x00\x01 not what it says\n\xff\xfe' * 50)
    with pytest.raises(CorruptFileError):
        list(StreamReader(path))


def test_damage_inside_parquet_comes_after_the_good_rows(tmp_path):
    path = tmp_path / "a.parquet"
    wide = [row | {"noise": hashlib.sha256(row["text"].encode()).hexdigest()} for row in rows(20_000)]
    StreamWriter(path, row_group_rows=5000).write(wide)
    data = bytearray(path.read_bytes())
    for at in range(len(data) // 2, len(data) // 2 + 400):
        data[at] ^= 0x5A
    path.write_bytes(data)
    found, error = read_until_error(path)
    assert "row group" in error.place
    assert found == wide[: len(found)]
    assert len(found) >= 5000
    assert list(StreamReader(path).where("id", "<", 5000)) == wide[:5000]


@pytest.mark.parametrize(
    ("suffix", "text", "place", "good"),
    [
        ("jsonl", '{"a":1}\n{"a":2}\n{"a":\n{"a":4}\n', "line 3", 2),
        ("jsonl", '{"a":1}\n\n{"a":2}\n{"a"', "line 4", 2),
        ("csv", "a,b\n1,2\n3,4\n5\n6,7\n", "line 4", 2),
        ("csv", 'a,b\n1,2\n"3\n3",4\n5,6,7\n', "line 5", 2),
        ("csv", 'a,b\n1,2\n"3,4\n', "line", 1),
        ("csv", "a,a\n1,2\n", "line 1", 0),
    ],
)
def test_bad_lines_are_named(tmp_path, suffix, text, place, good):
    path = tmp_path / f"a.{suffix}"
    path.write_text(text)
    found, error = read_until_error(path)
    assert place in error.place
    assert len(found) == good


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "jsonl.gz", "csv.zst", "jsonl.zst", "csv.gz"])
def test_append(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    for start in (0, 3):
        assert StreamWriter(path, append=True).write({"id": start + i, "t": "x"} for i in range(3)) == 3
    assert [int(row["id"]) for row in StreamReader(path)] == list(range(6))


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "jsonl.gz", "csv.zst"])
def test_a_failed_append_cuts_the_file_back(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    with pytest.raises(RuntimeError):
        StreamWriter(path, append=True).write(rows(9000, 8000))
    assert not path.exists()
    StreamWriter(path).write(rows(3))
    before = path.read_bytes()
    with pytest.raises(RuntimeError):
        StreamWriter(path, append=True).write(rows(50_000, 49_000))
    assert path.read_bytes() == before


def test_append_completes_a_last_line_without_an_end(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2")
    StreamWriter(path, append=True).write([{"b": 4, "a": 3}])
    assert list(StreamReader(path)) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    path = tmp_path / "a.jsonl"
    path.write_text('{"a":1}')
    StreamWriter(path, append=True).write([{"a": 2}])
    assert list(StreamReader(path)) == [{"a": 1}, {"a": 2}]


def test_append_keeps_to_the_header(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(RowError, match="column 'c'"):
        StreamWriter(path, append=True).write([{"a": 1, "c": 3}])
    assert path.read_text() == "a,b\n1,2\n"


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "pickle"])
def test_append_is_refused_where_it_can_not_be(tmp_path, suffix):
    with pytest.raises(UnknownFormatError, match="append"):
        StreamWriter(tmp_path / f"a.{suffix}", append=True)


def test_durable_and_links(tmp_path):
    real = tmp_path / "real.jsonl"
    link = tmp_path / "link.jsonl"
    real.touch()
    link.symlink_to(real)
    StreamWriter(link, durable=True).write([{"a": 1}])
    assert link.is_symlink()
    assert list(StreamReader(real)) == [{"a": 1}]
    StreamWriter(real, durable=True, append=True).write([{"a": 2}])
    assert len(list(StreamReader(link))) == 2


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "pickle"])
def test_values_no_format_has_are_named(tmp_path, suffix):
    bad = {"ok": 1, "v": (lambda: 1) if suffix == "pickle" else object()}
    with pytest.raises(RowError) as caught:
        StreamWriter(tmp_path / f"a.{suffix}").write([{"ok": 1, "v": 2}] * 40 + [bad])
    assert (caught.value.row, caught.value.column) == (40, "v")
