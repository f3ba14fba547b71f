"""Copies for keeping: a backup of the whole queue, and its history as Parquet. Made while everything runs.

The owner makes the copy in its private folder; this side, whichever process it is in, then gives it its name
in one step. So the target is whole or not there, and an existing one is never touched.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import UTC, date, datetime
from pathlib import Path

from queuack_store.calls import Handle
from queuack_store.durable import sync
from queuack_store.errors import InvalidRequestError, StorageError, StorageFullError
from queuack_store.ids import new_id
from queuack_store.requests import Backup, Copied, Export, Request

Progress = Callable[[int, int], object]
_TELL_S = 0.2  # how often progress is told


class Archiving(Handle):
    """The part of a queue that makes copies of it."""

    def backup(self, path: str | os.PathLike[str], progress: Progress | None = None) -> dict[str, int]:
        """Copy the queue to a new file, as of everything acknowledged before; jobs go on meanwhile.

        The copy opens as a queue: jobs that ran count there as interrupted. It is private to this user
        (0600), and has its name only when it is whole and on disk.

        progress: called with (bytes written, bytes expected) about five times a second, and at the end.
        Returns the rows of each public table in it.

        Raises:
            InvalidRequestError: the path exists, or its folder does not. StorageFullError: no room, here
            or beside the queue. StorageError: it could not be made; nothing is left of it.
        """
        target = _new_place(path)
        name = new_id().hex()
        copied = self._copied(Backup(name), f"{name}.db", progress)
        _put_file(Path(copied.path), target)
        return copied.rows

    def export_history(
        self,
        path: str | os.PathLike[str],
        since: datetime | date | None = None,
        until: datetime | date | None = None,
        progress: Progress | None = None,
    ) -> dict[str, int]:
        """Write what has ended to a new folder of Parquet files, a folder a day, while jobs go on.

        `jobs/day=2026-11-24/…` holds the jobs that ended that day (UTC), `job_attempts/day=…` the attempts;
        docs/schema.md names the columns. `since` is included, `until` is not; a naive time is UTC. DuckDB
        reads it with `read_parquet('<path>/jobs/**/*.parquet')`, polars with `scan_parquet('<path>/jobs')`.

        progress: as for `backup`. Returns the rows written of each table. A day without rows has no
        folder.

        Raises:
            InvalidRequestError: the path exists, its folder does not, or `since` is not before `until`.
            StorageFullError: no room, here or beside the queue. StorageError: it could not be written;
            nothing is left of it.
        """
        target = _new_place(path)
        first, last = _moment(since, "since"), _moment(until, "until")
        if first is not None and last is not None and first >= last:
            raise InvalidRequestError(f"since={since} is not before until={until}: nothing would be written")
        name = new_id().hex()
        copied = self._copied(Export(name, first, last), name, progress)
        _put_folder(Path(copied.path), target)
        return copied.rows

    def _copied(self, request: Request, name: str, progress: Progress | None) -> Copied:
        """Wait until the copy stands in the owner's folder, telling how far it is."""
        future = self.store.submit(request)
        database = os.path.realpath(self.db_path)
        try:
            while True:
                try:
                    copied: Copied = future.result(None if progress is None else _TELL_S)
                    break
                except FutureTimeoutError:
                    if future.done() or progress is None:
                        raise
                    progress(_size(f"{database}.files/{name}"), _size(database))
        except BaseException:
            future.cancel()
            raise
        if progress is not None:
            size = _size(copied.path)
            progress(size, size)
        return copied


def _new_place(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path of what is to be made; it must not exist, its folder must."""
    target = Path(os.path.abspath(os.fspath(path)))
    if os.path.lexists(target):
        raise InvalidRequestError(
            f"{target} exists, and nothing is ever overwritten: give another path, or move it away first",
            path=str(target),
        )
    if not target.parent.is_dir():
        raise InvalidRequestError(
            f"the folder {target.parent} does not exist: make it first", path=str(target)
        )
    return target


def _moment(at: datetime | date | None, what: str) -> float | None:
    if at is None:
        return None
    if not isinstance(at, date):
        raise InvalidRequestError(f"{what} must be a datetime or a date, not {at!r:.200}", what=what)
    if not isinstance(at, datetime):
        at = datetime(at.year, at.month, at.day)
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def _put_file(source: Path, target: Path) -> None:
    """Give a file its name, in one step; over a border between disks by way of a passing name."""
    _put(source, target, os.link, lambda passing: _copy_file(source, passing))
    source.unlink()
    _rid_of(source.parent)


def _put_folder(source: Path, target: Path) -> None:
    _put(source, target, _rename_folder, lambda passing: _copy_folder(source, passing))
    shutil.rmtree(source, ignore_errors=True)
    _rid_of(source.parent)


def _put(
    source: Path, target: Path, name: Callable[[Path, Path], object], copy: Callable[[Path], object]
) -> None:
    passing = target.with_name(f".{target.name}.{source.stem}")
    try:
        try:
            name(source, target)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
                raise
            copy(passing)
            name(passing, target)
        sync(target.parent)
    except FileExistsError as error:
        raise InvalidRequestError(
            f"{target} came into being meanwhile, and nothing is ever overwritten: give another path",
            path=str(target),
        ) from error
    except OSError as error:
        kind = StorageFullError if error.errno in (errno.ENOSPC, errno.EDQUOT) else StorageError
        raise kind(
            f"{target} could not be written: {error}. Nothing of it is left", path=str(target)
        ) from error
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(passing) if passing.is_dir() else passing.unlink(missing_ok=True)
        if not os.path.lexists(target):
            with contextlib.suppress(OSError):
                shutil.rmtree(source) if source.is_dir() else source.unlink(missing_ok=True)


def _rename_folder(source: Path, target: Path) -> None:
    if os.path.lexists(target):  # rename would replace an empty folder
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    os.rename(source, target)


def _copy_file(source: Path, passing: Path) -> None:
    descriptor = os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out, open(source, "rb") as file:
        shutil.copyfileobj(file, out, 1 << 20)
        out.flush()
        os.fsync(out.fileno())


def _copy_folder(source: Path, passing: Path) -> None:
    passing.mkdir(mode=0o700)
    for place, folders, files in os.walk(source):
        inside = passing / os.path.relpath(place, source)
        for folder in folders:
            (inside / folder).mkdir(mode=0o700)
        for file in files:
            _copy_file(Path(place, file), inside / file)
    for place, _, _ in os.walk(passing, topdown=False):
        sync(place)


def _rid_of(folder: Path) -> None:
    """Remove the private folder where nothing else waits in it; the owner makes it again."""
    if folder.name.startswith("queuack-"):  # of a queue in memory; a file's owner clears up its own
        with contextlib.suppress(OSError):
            folder.rmdir()


def _size(path: str) -> int:
    """Return the bytes of a file, or of the files in a folder; 0 where there is nothing (yet)."""
    total = 0
    with contextlib.suppress(OSError):
        total = os.stat(path).st_size
    for place, _, files in os.walk(path):
        for file in files:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(place, file)).st_size
    return total
