"""Every error of the store, as one tree.

QueuackError
├── InvalidRequestError (ValueError)   the request itself is wrong; sending it again can't help
│   ├── UnknownJobError (LookupError)
│   ├── PayloadError                   a function, argument or result that can't be stored
│   │   └── PayloadTooLargeError
│   ├── ResultNotReadyError            the job has no result (yet)
│   └── QueryError                     SQL that was refused or failed
├── BackpressureError                  the queue is full; try later
├── ClaimLostError                     the job is not (or no longer) claimed by this handle
├── StoreClosedError                   the handle was closed
├── MissingPackageError (ImportError)  another package of queuack is needed for this
├── JobError                           what `wait()` raises for a job that ended without success
│   ├── JobFailedError
│   ├── JobCancelledError
│   └── JobSkippedError
├── WaitTimeoutError (TimeoutError)    the answer did not come in time
├── StorageError (OSError)             the disk or the file
│   ├── StorageFullError
│   ├── ReadOnlyStoreError
│   ├── NotADatabaseError
│   ├── NewerSchemaError
│   ├── DamagedFileError
│   │   └── DamagedJournalError
│   ├── FileInUseError
│   ├── FileReplacedError
│   ├── RecordRefusedError
│   └── NetworkFileSystemError
└── OwnerError                         the process that owns the file
    ├── OwnerStartError
    ├── OwnerTimeoutError (TimeoutError)
    ├── OwnerLostError
    ├── ForeignOwnerError
    └── ProtocolError
"""

from __future__ import annotations

from typing import Any, ClassVar


class QueuackError(Exception):
    """The base of every error that queuack raises.

    Attributes:
        message: what happened, which thing, and what to do.
        facts: the same as data (ids, paths, limits), safe to log.
        retryable: whether the same call may succeed later with nothing changed by the caller.
    """

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.facts))


def _rebuild(kind: type[QueuackError], message: str, facts: dict[str, Any]) -> QueuackError:
    return kind(message, **facts)


class InvalidRequestError(QueuackError, ValueError):
    """The request breaks a rule; it must be changed before it is sent again."""


class UnknownJobError(InvalidRequestError, LookupError):
    """No job has this id: it never existed or was purged."""


class PayloadError(InvalidRequestError):
    """A function, argument or result can't be turned into bytes or back."""


class PayloadTooLargeError(PayloadError):
    """A payload or result is over its limit; store the data in a file and pass its path."""


class ResultNotReadyError(InvalidRequestError):
    """The job has no result: it has not ended, or it ended without success."""


class QueryError(InvalidRequestError):
    """A `sql()` query was refused, failed, or took too long."""


class BackpressureError(QueuackError):
    """The queue holds more jobs than its block threshold; let workers catch up, then try again."""

    retryable = True


class ClaimLostError(QueuackError):
    """This handle does not hold the job's claim: it was released, taken over, or is another's."""


class StoreClosedError(QueuackError):
    """The handle was closed; open a new one."""


class MissingPackageError(QueuackError, ImportError):
    """This needs a package that is not installed; the message says which."""


class JobError(QueuackError):
    """A job that was waited for ended without success. `traceback` is text, from the worker."""

    def __init__(self, message: str, traceback: str = "", **facts: Any) -> None:
        super().__init__(message, traceback=traceback, **facts)
        self.traceback = traceback

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.facts))


class JobFailedError(JobError):
    """The job failed and has no attempts left."""


class JobCancelledError(JobError):
    """The job was cancelled."""


class JobSkippedError(JobError):
    """The job was skipped: a parent ended without success, or it expired."""


class WaitTimeoutError(QueuackError, TimeoutError):
    """The answer did not come within the time given; the job itself goes on."""

    retryable = True


class StorageError(QueuackError, OSError):
    """The file or its disk can't be used."""


class StorageFullError(StorageError):
    """The disk is full: the request was not stored, what was acknowledged before is safe."""

    retryable = True


class ReadOnlyStoreError(StorageError):
    """The folder or file can't be written."""


class NotADatabaseError(StorageError):
    """The file is not a DuckDB database of queuack."""


class NewerSchemaError(StorageError):
    """The file was written by a newer queuack or DuckDB; upgrade this installation."""


class DamagedFileError(StorageError):
    """The file is damaged in a way that can't be repaired exactly; nothing was changed."""


class DamagedJournalError(DamagedFileError):
    """The journal is damaged, missing or another database's; nothing was changed."""


class FileInUseError(StorageError):
    """Another program holds the file."""

    retryable = True


class FileReplacedError(StorageError):
    """The file was deleted or replaced while it was in use."""


class RecordRefusedError(StorageError):
    """DuckDB will never take a record of the journal; the queue is read-only until `queuack doctor` ran."""


class NetworkFileSystemError(StorageError):
    """The file is on a network file system, where locks and durability can't be trusted."""


class OwnerError(QueuackError):
    """The process that owns the file could not serve the request."""

    retryable = True


class OwnerStartError(OwnerError):
    """The owner process could not start; its log's tail is in the message."""


class OwnerTimeoutError(OwnerError, TimeoutError):
    """The owner is alive but does not answer (stopped, or the machine is overloaded)."""


class OwnerLostError(OwnerError):
    """The connection to the owner was lost and could not be made again in time."""


class ForeignOwnerError(OwnerError):
    """The socket belongs to another user."""

    retryable = False


class ProtocolError(OwnerError):
    """The two sides speak different versions, or a frame made no sense."""

    retryable = False


def _tree(kind: type[QueuackError]) -> dict[str, type[QueuackError]]:
    found = {kind.__name__: kind}
    for child in kind.__subclasses__():
        found.update(_tree(child))
    return found


def to_wire(error: BaseException) -> tuple[str, str, dict[str, Any]]:
    """Turn an error into plain data: its class's name, message and facts."""
    if isinstance(error, QueuackError):
        return (type(error).__name__, error.message, error.facts)
    return ("QueuackError", f"the engine failed: {type(error).__name__}: {error}", {})


def from_wire(wire: tuple[str, str, dict[str, Any]]) -> QueuackError:
    """Make the error again that `to_wire` took apart; an unknown class becomes `QueuackError`."""
    name, message, facts = wire
    return _tree(QueuackError).get(name, QueuackError)(message, **facts)
