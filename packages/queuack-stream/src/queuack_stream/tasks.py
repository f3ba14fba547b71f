"""Decorators that make tasks of generators: a call writes what they yield and returns the file's path.

They work in a plain call, as a job and as a node of a DAG. A queuack worker fills the parameter `context`;
nothing here knows more of it than the attributes it may have: `job_id`, `output_dir` and `progress(done,
total, message)`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import threading
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any, ParamSpec, TypeVar, cast, overload

from queuack_stream.errors import NotAPathError, shown
from queuack_stream.homes import output_path
from queuack_stream.writer import StreamWriter

P = ParamSpec("P")
R = TypeVar("R")

_SUFFIXES = {"gzip": ".gz", "gz": ".gz", "zstd": ".zst", "zst": ".zst"}
_COLUMNAR = ("parquet", "arrow")


@overload
def generator_task(func: Callable[P, Iterable[Any]], /) -> Callable[P, str]: ...
@overload
def generator_task(
    func: None = None,
    /,
    *,
    format: str = "jsonl",
    output_dir: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Callable[[Callable[P, Iterable[Any]]], Callable[P, str]]: ...
def generator_task(
    func: Callable[..., Iterable[Any]] | None = None,
    /,
    *,
    format: str = "jsonl",  # noqa: A002 - the public name
    output_dir: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Any:
    """Makes a task of a generator function: calling it writes the rows it yields and returns the file's path.

    Args:
        func: the generator function, where the decorator is used without parentheses.
        format: "jsonl" (default), "csv", "parquet", "arrow" or "pickle".
        output_dir: the folder to write to; default: in a job, the job's folder beside the queue's file;
            else a temporary folder.
        options: as of `StreamWriter`: schema, compression, max_buffer, row_group_rows, durable.

    The task takes `context=None`, which a queuack worker fills; the generator is given it if it declares a
    parameter `context` or `ctx`. Progress (rows, bytes, rows/s) goes to `context.progress` where there is
    one.
    """

    def decorate(generator: Callable[..., Iterable[Any]]) -> Callable[..., str]:
        def run(context: Any, call: Callable[[], Iterable[Any]]) -> str:
            rows = call()
            if isinstance(rows, AsyncIterable):
                raise TypeError(f"{generator.__qualname__} is an async generator; use @async_generator_task")
            writer = _writer(generator, format, output_dir, options, context)
            writer.write(rows)
            return str(writer.path)

        return _with_context(generator, run)

    return decorate if func is None else decorate(func)


@overload
def async_generator_task(func: Callable[P, AsyncIterable[Any]], /) -> Callable[P, str]: ...
@overload
def async_generator_task(
    func: None = None,
    /,
    *,
    format: str = "jsonl",
    output_dir: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Callable[[Callable[P, AsyncIterable[Any]]], Callable[P, str]]: ...
def async_generator_task(
    func: Callable[..., AsyncIterable[Any]] | None = None,
    /,
    *,
    format: str = "jsonl",  # noqa: A002 - the public name
    output_dir: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Any:
    """Makes a task of an async generator function, as `generator_task` does of a plain one.

    The task itself is called like any function and returns the path; it runs an event loop of its own, on a
    helper thread where one already runs.
    """

    def decorate(generator: Callable[..., AsyncIterable[Any]]) -> Callable[..., str]:
        def run(context: Any, call: Callable[[], AsyncIterable[Any]]) -> str:
            writer = _writer(generator, format, output_dir, options, context)
            _run_loop(lambda: writer.awrite(call()))
            return str(writer.path)

        return _with_context(generator, run)

    return decorate if func is None else decorate(func)


def streaming_task(func: Callable[P, R]) -> Callable[P, R]:
    """Makes a task of a function that takes paths and returns the path (or a list or dict of paths) it wrote.

    Paths come back as plain text, which any queue can store, and each must exist when the function returns.

    Raises:
        NotAPathError: the function returned something else, or a path where there is no file.
    """

    def run(_context: Any, call: Callable[[], Any]) -> Any:
        return _paths(func, call())

    return cast("Callable[P, R]", _with_context(func, run))


def _paths(func: Callable[..., Any], found: Any) -> Any:
    if isinstance(found, list | tuple):
        return [_paths(func, one) for one in found]
    if isinstance(found, dict):
        return {name: _paths(func, one) for name, one in found.items()}
    name = func.__qualname__
    if not isinstance(found, str | os.PathLike):
        raise NotAPathError(f"{name} returned {shown(found)}; a streaming task returns the path it wrote to")
    if not os.path.exists(found):
        raise NotAPathError(
            f"{name} returned {os.fspath(found)!r}, where there is no file; write it before returning"
        )
    return os.fspath(found)


def _with_context(
    func: Callable[..., Any], run: Callable[[Any, Callable[[], Any]], Any]
) -> Callable[..., Any]:
    """A wrapper that declares a context parameter, whether or not the function does."""
    signature = inspect.signature(func)
    own = next((name for name in ("context", "ctx") if name in signature.parameters), None)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if own is None:
            context = kwargs.pop("context", None)
        else:
            given = signature.bind_partial(*args, **kwargs).arguments
            context = given.get(own)
            if own not in given and signature.parameters[own].default is inspect.Parameter.empty:
                kwargs[own] = None  # a plain call has no context to give
        return run(context, lambda: func(*args, **kwargs))

    if own is None:
        wrapper.__signature__ = _add_context(signature)  # type: ignore[attr-defined]
    return wrapper


def _add_context(signature: inspect.Signature) -> inspect.Signature:
    added = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, default=None)
    parameters = list(signature.parameters.values())
    at = len(parameters)
    if parameters and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD:
        at -= 1
    return signature.replace(parameters=[*parameters[:at], added, *parameters[at:]])


def _writer(
    func: Callable[..., Any],
    format: str,  # noqa: A002
    output_dir: str | os.PathLike[str] | None,
    options: dict[str, Any],
    context: Any,
) -> StreamWriter:
    codec = str(options.get("compression") or "").lower()
    suffix = "." + format + ("" if format in _COLUMNAR else _SUFFIXES.get(codec, ""))
    path = output_path(func.__name__, suffix, output_dir, context)
    return StreamWriter(path, format, progress=_progress_of(context), **options)


def _progress_of(context: Any) -> Callable[[int, int, float], None] | None:
    tell = getattr(context, "progress", None)
    if not callable(tell):
        return None

    def report(rows: int, size: int, seconds: float) -> None:
        rate = rows / seconds if seconds > 0 else 0.0
        tell(rows, None, f"{rows:,} rows, {size / 1e6:,.1f} MB, {rate:,.0f} rows/s")

    return report


def _run_loop(start: Callable[[], Any]) -> None:
    async def main() -> None:
        await start()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(main())
        return
    failure: list[BaseException] = []

    def other_thread() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=other_thread, name="queuack-stream-loop")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
