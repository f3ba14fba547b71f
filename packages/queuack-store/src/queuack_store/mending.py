"""`repair`: make a file that opening refuses usable again, exactly where that can be; keep what was there.

It tries to open the file, deals with what is refused, and tries again. Everything is copied first. What can't
be done without losing acknowledged work is done only where the caller says so; else all is put back.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from queuack_store.clock import wall
from queuack_store.diagnosis import Diagnosis
from queuack_store.durable import sync
from queuack_store.errors import (
    DamagedFileError,
    DamagedJournalError,
    FileInUseError,
    RecordRefusedError,
    StorageError,
)
from queuack_store.examining import examine, file_path, leftovers

_MAX_STEPS = 64  # each deals with one file or one record


class _Remedy(NamedTuple):
    """A step: what it does, what acknowledged work may be lost by it (None: nothing), and how."""

    what: str
    loses: str | None
    do: Callable[[], object]


def repair(path: str | os.PathLike[str], accept_loss: bool = False) -> Diagnosis:
    """Repair a queue and return its state afterwards, with what was done and where the copies are.

    Exact repairs are always made: a torn block or log, a damaged log whose transactions the journal still
    has, a segment that was applied long ago, a database that its whole journal can rebuild. With
    `accept_loss`, also those that give up what can't be read: `lost` says what. A file that is whole is
    only opened and closed in order.

    Raises:
        FileInUseError: somebody has it open. DamagedFileError (and its kinds): it can't be repaired, or
            not without `accept_loss`; then nothing is given up. Other StorageErrors: as for opening.
    """
    diagnosis = Diagnosis(file_path(path))
    target = Path(diagnosis.path)
    if not target.exists() and not leftovers(target):
        raise StorageError(f"{target} does not exist: there is nothing to repair", path=str(target))
    from queuack_store.sharing.ownership import take
    from queuack_store.sharing.places import Place

    lock = take(Place(diagnosis.path))
    if lock is None:
        raise FileInUseError(f"{target} is in use: close every handle on it, then repair", path=str(target))
    try:
        _Repair(target, diagnosis, accept_loss).run()
        examine(diagnosis)
    finally:
        lock.release()
    return diagnosis


class _Repair:
    def __init__(self, path: Path, diagnosis: Diagnosis, accept_loss: bool) -> None:
        self._path = path
        self._diagnosis = diagnosis
        self._accept_loss = accept_loss
        self._copies: Path | None = None
        self._saved: list[Path] = []

    def run(self) -> None:
        from queuack_store.opening import open_engine

        for _ in range(_MAX_STEPS):
            try:
                engine = open_engine(str(self._path))
            except StorageError as error:
                try:
                    self._step(error)
                except BaseException:
                    self._put_back()
                    raise
                continue
            engine.stop()
            return
        self._put_back()
        raise DamagedFileError(f"{self._path} is still refused after {_MAX_STEPS} steps: restore a backup")

    def _step(self, error: StorageError) -> None:
        """Deal with one refusal, or raise it."""
        remedy = self._remedy(error)
        if remedy is None:
            raise error
        if remedy.loses is not None and not self._accept_loss:
            raise type(error)(
                f"{error.message}. With accept_loss=True it would be repaired: {remedy.what}. Lost by it: "
                f"{remedy.loses}. Nothing of it was done",
                **error.facts,
            ) from error
        self._keep()
        remedy.do()
        self._diagnosis.actions.append(remedy.what)
        if remedy.loses is not None:
            self._diagnosis.lost.append(remedy.loses)

    # -- what to do ------------------------------------------------------------------------------

    def _remedy(self, error: StorageError) -> _Remedy | None:
        if isinstance(error, RecordRefusedError):
            return self._pass_over(int(error.facts["cycle"]))
        if not self._path.exists() and isinstance(error, DamagedFileError):
            return self._without_database()
        if isinstance(error, DamagedJournalError):
            return self._journal(error)
        if isinstance(error, DamagedFileError) and "log" in error.facts:
            return self._log(error.facts.get("position"))
        return None

    def _pass_over(self, cycle: int) -> _Remedy:
        from queuack_store.duckdb.inspecting import pass_over

        return _Remedy(
            f"passed over cycle {cycle}, which DuckDB will never take",
            f"what cycle {cycle} changed (its record is in the copied journal)",
            lambda: pass_over(self._path, cycle),
        )

    def _without_database(self) -> _Remedy:
        """The database is gone: its whole journal can rebuild it; a part of it, or its log alone, can't."""
        from queuack_store.duckdb.inspecting import give_identity
        from queuack_store.duckdb.opening import create
        from queuack_store.journal import journal_files, scan

        scans = [scan(segment) for segment in journal_files(self._path)]
        identity = scans[0].database_id if scans else None
        logs = [left for left in leftovers(self._path) if left not in [one.path for one in scans]]

        def rebuild() -> None:
            _drop(logs)
            create(self._path)
            if identity is not None:
                give_identity(self._path, identity)

        if identity is not None and scans[0].first_cycle == 1:
            return _Remedy("made the database anew from its journal, which holds all of it", None, rebuild)

        def begin_empty() -> None:
            _drop(leftovers(self._path))

        return _Remedy(
            "set the log and the journal aside, to begin an empty queue",
            "everything, unless the database is found again: they alone can't rebuild it",
            begin_empty,
        )

    def _log(self, damaged_at: int | None) -> _Remedy:
        """DuckDB's log is damaged or another's: the journal has what it held since the last checkpoint."""
        from queuack_store.duckdb.repair import cut_log

        covered = self._is_covered(damaged_at)
        logs = [left for left in leftovers(self._path) if ".wal" in left.name.removeprefix(self._path.name)]
        if damaged_at is not None:
            what = "cut DuckDB's damaged log behind its last whole transaction"
            loses = "the transactions behind the damage: no journal holds them"
            return _Remedy(what, None if covered else loses, lambda: cut_log(self._path, damaged_at))
        loses = "what that log holds, should it be of this database"
        return _Remedy("set a log aside that does not match", None if covered else loses, lambda: _drop(logs))

    def _is_covered(self, damaged_at: int | None) -> bool:
        """Return whether the journal goes on where the database ends without (a part of) its log, gap-free.

        Tried on copies, for a log may only be judged by opening what is left.
        """
        from queuack_store.duckdb.inspecting import inspect
        from queuack_store.duckdb.repair import cut_log
        from queuack_store.journal import journal_files, scan

        trial = self._path.with_name(f".{self._path.name}.trial-{os.getpid()}")
        try:
            shutil.copyfile(self._path, trial)
            if damaged_at is not None:
                shutil.copyfile(f"{self._path}.wal", f"{trial}.wal")
                cut_log(trial, damaged_at)
            found = inspect(trial)
        finally:
            _drop([trial, Path(f"{trial}.wal")])
        if found.cycle is None:
            return False
        newest = found.cycle
        for one in (scan(segment) for segment in journal_files(self._path)):
            if one.state == "damaged" or one.database_id != found.database_id or one.first_cycle is None:
                return False
            if one.first_cycle > newest + 1:
                return False
            newest = max(newest, one.last_cycle or 0)
        return newest > found.cycle

    def _journal(self, error: DamagedJournalError) -> _Remedy | None:
        from queuack_store.duckdb.inspecting import inspect
        from queuack_store.journal import journal_files, scan

        segments = journal_files(self._path)
        bad = Path(str(error.facts.get("segment", "")))
        if bad not in segments:
            return None
        behind = segments[segments.index(bad) + 1 :]
        if "journal_id" in error.facts:
            loses = f"nothing of this database; but {bad.name} may be another's only trace"
            return _Remedy(f"set {bad.name} aside, another database's journal", loses, lambda: _drop([bad]))
        if "first_missing" in error.facts:
            first, last = error.facts["first_missing"], error.facts["last_missing"]
            loses = f"cycles {first} to {last}, which are missing, and all that came after them"
            return _Remedy(f"set {bad.name} and what follows aside", loses, lambda: _drop([bad, *behind]))
        found, one = inspect(self._path), scan(bad)
        following = scan(behind[0]).first_cycle if behind else None
        if None not in (found.cycle, following) and (following or 0) <= (found.cycle or 0) + 1:
            return _Remedy(f"set {bad.name} aside: the database has all of it", None, lambda: _drop([bad]))
        good = one.good_bytes

        def cut() -> None:
            _drop(behind)
            _drop([bad]) if not good else os.truncate(bad, good)

        kept = f"cycle {one.last_cycle}" if one.last_cycle is not None else "the database's last cycle"
        return _Remedy(
            f"cut {bad.name} at byte {good}, in front of the damage",
            f"what was acknowledged after {kept}",
            cut,
        )

    # -- copies ----------------------------------------------------------------------------------

    def _keep(self) -> None:
        """Copy the database, its log and its journal into a folder beside them, once."""
        if self._copies is not None:
            return
        stamp = datetime.fromtimestamp(wall(), UTC).strftime("%Y%m%dT%H%M%S.%f")
        folder = Path(f"{self._path}.corrupt-{stamp}")
        folder.mkdir(mode=0o700)
        sources = [source for source in (self._path, *leftovers(self._path)) if source.exists()]
        for source in sources:
            shutil.copyfile(source, folder / source.name)
            os.chmod(folder / source.name, 0o600)
            sync(folder / source.name)
        sync(folder)
        self._copies, self._saved = folder, sources
        self._diagnosis.copies = str(folder)

    def _put_back(self) -> None:
        """Make all as it was; the copies stay."""
        if self._copies is None:
            return
        for left in (self._path, *leftovers(self._path)):
            if left.exists() and left not in self._saved:
                left.unlink()
        for source in self._saved:
            passing = source.with_name(f".{source.name}.back-{os.getpid()}")
            shutil.copyfile(self._copies / source.name, passing)
            os.chmod(passing, 0o600)
            sync(passing)
            os.replace(passing, source)
        sync(self._path.parent)


def _drop(files: list[Path]) -> None:
    """Delete files; their copies are kept."""
    for file in files:
        file.unlink(missing_ok=True)
