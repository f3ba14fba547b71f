"""`doctor`: look at a queue's file, journal and disk, and say what is wrong and what to do. Changes nothing.

It works on files that can't be opened. Where an owner has the file, the owner is asked instead.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from queuack_store import names
from queuack_store.diagnosis import Diagnosis
from queuack_store.errors import DamagedFileError, InvalidRequestError, OwnerError, QueuackError, StorageError

if TYPE_CHECKING:
    from queuack_store.duckdb.inspecting import Inspection
    from queuack_store.journal import Scan

LOW_DISK_BYTES = 256 << 20  # two checkpoints and a full log
_STUCK_ADVICE = "look at them with `sql` and `why`; resume the queue, retry or cancel the jobs"


def doctor(path: str | os.PathLike[str]) -> Diagnosis:
    """Examine a queue: schema, integrity, journal, stuck work, disk, and what opening would refuse.

    Nothing is changed. While it looks at a file that nobody has open, nobody can open it (seconds for
    gigabytes).

    Raises:
        InvalidRequestError: `path` is no path of a file. StorageError: its folder can't be used at all.
    """
    diagnosis = Diagnosis(file_path(path))
    _examine_disk(diagnosis)
    if not os.path.exists(diagnosis.path) and not leftovers(Path(diagnosis.path)):
        diagnosis.add("problem", "missing", f"{diagnosis.path} does not exist", "check the path")
        return diagnosis
    from queuack_store.sharing.ownership import take
    from queuack_store.sharing.places import Place

    lock = take(Place(diagnosis.path))
    if lock is None:
        _ask_the_owner(diagnosis)
        return diagnosis
    try:
        examine(diagnosis)
    finally:
        lock.release()
    return diagnosis


def file_path(path: str | os.PathLike[str]) -> str:
    """Return the real path of a queue's file; InvalidRequestError where it is none."""
    found = names.database_path(path)
    if found == names.MEMORY or "://" in found:
        raise InvalidRequestError(f"{found} is no file: there is nothing to examine")
    return os.path.realpath(found)


def leftovers(path: Path) -> list[Path]:
    """List what belongs to a database beside its file: its log and its journal."""
    from queuack_store.journal import journal_files

    logs = [Path(f"{path}.wal"), Path(f"{path}.wal.checkpoint")]
    return [log for log in logs if log.exists()] + journal_files(path)


def examine(diagnosis: Diagnosis) -> Inspection:
    """Add what there is to say of the file and its journal. The caller holds the file's lock."""
    from queuack_store.duckdb.inspecting import Inspection, inspect

    path = Path(diagnosis.path)
    found = Inspection()
    if path.exists():
        found = inspect(path)
        _add_inspection(diagnosis, found)
    else:
        named = ", ".join(str(left) for left in leftovers(path))
        diagnosis.add(
            "problem",
            "database_missing",
            f"{path} is missing, but what belongs to it is there: {named}",
            "put the database back beside it, or run `queuack repair`",
        )
    _examine_journal(diagnosis, found)
    copies = sorted(str(kept) for kept in path.parent.glob(f"{path.name}.corrupt-*"))
    if copies:
        named = ", ".join(copies)
        diagnosis.add(
            "info", "copies", f"earlier repairs left copies: {named}", "delete them when all is well"
        )
    return found


def _add_inspection(diagnosis: Diagnosis, found: Inspection) -> None:
    facts = {
        "schema": found.schema, "cycle": found.cycle, "jobs": found.counts,
        "size_bytes": os.stat(diagnosis.path).st_size,
    }  # fmt: skip
    diagnosis.facts |= {name: value for name, value in facts.items() if value is not None}
    if found.mends is not None:
        diagnosis.add("warning", "torn", f"opening will repair {found.mends}", "open it: nothing is lost")
    if found.error is not None:
        code = type(found.error).__name__.removesuffix("Error")
        advice = "run `queuack repair`, or restore a backup" if _is_damage(found.error) else ""
        diagnosis.add("problem", code, found.error.message, advice)
    _add_rows(diagnosis, found.broken, found.stuck)


def _is_damage(error: StorageError) -> bool:
    return isinstance(error, DamagedFileError)


def _add_rows(diagnosis: Diagnosis, broken: list[Any], stuck: list[Any]) -> None:
    for rule, count in broken:
        diagnosis.add(
            "problem",
            "integrity",
            f"the rows break a rule: {rule} ({count:,} do not hold)",
            "restore a backup",
        )
    for kind, count in stuck:
        diagnosis.add("warning", "stuck", f"{kind}: {count:,}", _STUCK_ADVICE)


def _examine_journal(diagnosis: Diagnosis, found: Inspection) -> None:
    from queuack_store.journal import journal_files, scan

    try:
        scans = [scan(segment) for segment in journal_files(diagnosis.path)]
    except StorageError as error:
        diagnosis.add("problem", type(error).__name__.removesuffix("Error"), error.message)
        return
    diagnosis.facts["journal_bytes"] = sum(one.size for one in scans)
    newest = found.cycle
    for one in scans:
        _add_scan(diagnosis, one, found)
        if newest is not None and one.first_cycle is not None and one.last_cycle is not None:
            if one.first_cycle > newest + 1:
                diagnosis.add(
                    "problem", "journal_gap",
                    f"cycles {newest + 1} to {one.first_cycle - 1} are missing before {one.path}",
                    "put the missing file back, or run `queuack repair`",
                )  # fmt: skip
            newest = max(newest, one.last_cycle)
    if newest is not None and found.cycle is not None and newest > found.cycle:
        diagnosis.facts["cycles_to_replay"] = newest - found.cycle
        diagnosis.add(
            "info", "unapplied", f"opening will replay {newest - found.cycle:,} cycles of the journal"
        )


def _add_scan(diagnosis: Diagnosis, one: Scan, found: Inspection) -> None:
    if one.state == "damaged":
        message = f"the journal's segment {one.path} is damaged at byte {one.damaged_at}: {one.problem}"
        diagnosis.add("problem", "journal_damaged", message, "run `queuack repair`, or restore a backup")
    elif one.state == "torn":
        message = (
            f"{one.path} ends in {one.torn_bytes:,} bytes that were never acknowledged: opening drops them"
        )
        diagnosis.add("info", "journal_torn", message)
    if None not in (found.database_id, one.database_id) and found.database_id != one.database_id:
        message = f"{one.path} is the journal of another database"
        diagnosis.add("problem", "journal_foreign", message, "put back what belongs together, or repair")


def _examine_disk(diagnosis: Diagnosis) -> None:
    folder = Path(diagnosis.path).parent
    if not folder.is_dir():
        return
    disk = os.statvfs(folder)
    diagnosis.facts["disk_free_bytes"] = free = disk.f_bavail * disk.f_frsize
    if free < LOW_DISK_BYTES:
        diagnosis.add(
            "warning", "disk", f"{free:,} bytes are free on the disk of {diagnosis.path}",
            f"make room: below {LOW_DISK_BYTES:,} checkpoints are put off",
        )  # fmt: skip
    if not os.access(folder, os.W_OK | os.X_OK):
        diagnosis.add("problem", "read_only", f"{folder} can't be written", "give this user write access")


def _ask_the_owner(diagnosis: Diagnosis) -> None:
    """Ask the owner what it sees; opening the file beside it is never tried."""
    from queuack_store.queue import DuckQueue

    try:
        with DuckQueue(diagnosis.path) as queue:
            diagnosis.facts["owner"] = True
            diagnosis.facts["jobs"] = queue.stats()
            diagnosis.facts["retention_seconds"] = {
                s: a.total_seconds() for s, a in queue.retention().items()
            }
            ((diagnosis.facts["schema"],),) = queue.sql("SELECT schema_version FROM queuack_meta").fetchall()
            _add_rows(
                diagnosis, *(queue.sql(_statement(name)).fetchall() for name in ("check_invariants", "stuck"))
            )
    except OwnerError as error:
        diagnosis.add("problem", "owner", error.message, "end that process; what was acknowledged is safe")
    except QueuackError as error:
        code = type(error).__name__.removesuffix("Error")
        diagnosis.add("problem", code, error.message, "close every handle, then run doctor again")


def _statement(name: str) -> str:
    from queuack_store.duckdb.queries import sql

    return sql(name)
