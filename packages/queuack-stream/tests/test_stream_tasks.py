"""Tasks: a plain call, a call as a worker makes it, where the file lives, and what a context is told."""

import asyncio
import inspect
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from queuack_stream import (
    NotAPathError,
    StreamReader,
    StreamWriter,
    async_generator_task,
    generator_task,
    streaming_task,
)


@generator_task(format="jsonl")
def numbers(count, step=1):
    """Counts."""
    for i in range(0, count, step):
        yield {"i": i}


@generator_task
def bare(count):
    yield from ({"i": i} for i in range(count))


@async_generator_task(format="csv")
async def later(count):
    for i in range(count):
        await asyncio.sleep(0)
        yield {"i": i}


@generator_task(format="parquet")
def with_context(count, context=None):
    yield {"count": count, "job": context.job_id if context else None}


@generator_task(format="jsonl")
def with_ctx(ctx, count):
    yield {"count": count, "job": ctx.job_id if ctx else None}


@streaming_task
def doubled(path: str, target: str | None = None) -> str | os.PathLike[str]:
    """Doubles."""
    out = Path(target or f"{path}.doubled.jsonl")
    StreamWriter(out).write({"i": row["i"] * 2} for row in StreamReader(path))
    return out


def job(tmp_path=None, **more):
    found = SimpleNamespace(job_id="01-abc", dag_run_id=None, queue="default", attempt=1, **more)
    if tmp_path is not None:
        found.output_dir = str(tmp_path / "jobs.db.files" / "01-abc")
    return found


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet", "arrow", "pickle"])
def test_a_plain_call_writes_a_temporary_file(format):  # noqa: A002
    @generator_task(format=format)
    def rows(count):
        for i in range(count):
            yield {"i": i}

    path = rows(5)
    assert isinstance(path, str)
    assert path.endswith(f".{format}")
    assert [int(row["i"]) for row in StreamReader(path)] == [0, 1, 2, 3, 4]
    os.unlink(path)
    os.rmdir(os.path.dirname(path))


def test_two_calls_are_two_files(tmp_path):
    task = generator_task(output_dir=tmp_path / "out")(lambda: iter([{"a": 1}]))
    first, second = task(), task()
    assert first != second
    assert {str(path) for path in (tmp_path / "out").iterdir()} == {first, second}


def test_without_parentheses():
    assert len(list(StreamReader(bare(3)))) == 3


def test_the_wrapper_declares_a_context_and_keeps_the_rest():
    assert list(inspect.signature(numbers).parameters) == ["count", "step", "context"]
    assert inspect.signature(numbers).parameters["context"].default is None
    assert list(inspect.signature(with_context).parameters) == ["count", "context"]
    assert list(inspect.signature(with_ctx).parameters) == ["ctx", "count"]
    assert numbers.__name__ == "numbers"
    assert numbers.__doc__ == "Counts."


def test_in_a_job_the_file_lives_in_the_jobs_folder(tmp_path):
    context = job(tmp_path)
    path = numbers(3, context=context)
    assert path == str(Path(context.output_dir) / "numbers-01-abc.jsonl")
    assert len(list(StreamReader(path))) == 3
    assert numbers(5, context=context) == path  # a second attempt replaces what the first one wrote
    assert len(list(StreamReader(path))) == 5


def test_a_given_folder_wins(tmp_path):
    task = generator_task(output_dir=tmp_path / "mine")(lambda: iter([{"a": 1}]))
    assert Path(task(context=job(tmp_path))).parent == tmp_path / "mine"


def test_a_context_without_a_folder_gets_a_temporary_one():
    assert os.path.exists(numbers(1, context=job()))


def test_the_generator_is_given_the_context_it_declares(tmp_path):
    assert list(StreamReader(with_context(4))) == [{"count": 4, "job": None}]
    for path in (with_context(4, context=job(tmp_path)), with_context(4, job(tmp_path))):
        assert list(StreamReader(path)) == [{"count": 4, "job": "01-abc"}]
    assert list(StreamReader(with_ctx(count=4))) == [{"count": 4, "job": None}]
    for path in (with_ctx(count=4, ctx=job(tmp_path)), with_ctx(job(tmp_path), 4)):
        assert list(StreamReader(path)) == [{"count": 4, "job": "01-abc"}]


def test_progress_goes_to_the_context(tmp_path):
    told = []
    numbers(1000, context=job(tmp_path, progress=lambda *told_: told.append(told_)))
    done, total, message = told[-1]
    assert (done, total) == (1000, None)
    assert message.startswith("1,000 rows, 0.0 MB, ")
    assert message.endswith(" rows/s")


def test_a_failing_generator_leaves_no_file(tmp_path):
    @generator_task(output_dir=tmp_path)
    def broken():
        yield {"a": 1}
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        broken()
    assert not list(tmp_path.iterdir())


def test_options_go_to_the_writer(tmp_path):
    task = generator_task(format="csv", output_dir=tmp_path, compression="zstd")(lambda: iter([{"a": 1}]))
    path = task()
    assert path.endswith(".csv.zst")
    assert list(StreamReader(path)) == [{"a": "1"}]


def test_async_generators(tmp_path):
    path = later(100, context=job(tmp_path))
    assert path.endswith("later-01-abc.csv")
    assert [row["i"] for row in StreamReader(path)] == [str(i) for i in range(100)]


def test_async_generators_where_a_loop_runs():
    async def main():
        return later(3)

    assert len(list(StreamReader(asyncio.run(main())))) == 3


def test_an_async_failure_arrives(tmp_path):
    @async_generator_task(output_dir=tmp_path)
    async def broken():
        yield {"a": 1}
        raise RuntimeError("no more")

    async def main():
        broken()

    with pytest.raises(RuntimeError, match="no more"):
        broken()
    with pytest.raises(RuntimeError, match="no more"):
        asyncio.run(main())
    assert not list(tmp_path.iterdir())


def test_the_wrong_decorator_is_named():
    async def rows():
        yield {}

    with pytest.raises(TypeError, match="async_generator_task"):
        generator_task(rows)()


def test_awrite(tmp_path):
    async def rows():
        for i in range(1000):
            yield {"i": i}

    assert asyncio.run(StreamWriter(tmp_path / "a.parquet").awrite(rows())) == 1000
    assert len(StreamReader(tmp_path / "a.parquet")) == 1000


def test_streaming_tasks_take_and_return_paths(tmp_path):
    source = numbers(3, context=job(tmp_path))
    path = doubled(source, context=job(tmp_path))
    assert type(path) is str
    assert [row["i"] for row in StreamReader(path)] == [0, 2, 4]
    assert streaming_task(lambda: [Path(source), path])() == [source, path]
    assert streaming_task(lambda: {"a": Path(source)})() == {"a": source}


@pytest.mark.parametrize("found", [None, 7, "/no/such/file", ["/no/such/file"]])
def test_streaming_tasks_that_return_no_path(found):
    with pytest.raises(NotAPathError):
        streaming_task(lambda: found)()


def test_tasks_are_found_by_name_in_another_process(tmp_path):
    """As a worker finds them: pickled here by module and name, loaded and called there."""
    (tmp_path / "mytasks.py").write_text(
        "from queuack_stream import generator_task\n"
        "@generator_task(format='csv')\n"
        "def rows(count):\n"
        "    yield from ({'i': i} for i in range(count))\n"
    )
    code = "import mytasks, pickle; print(pickle.loads(pickle.dumps(mytasks.rows))(3))"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(list(StreamReader(found.stdout.strip()))) == 3
