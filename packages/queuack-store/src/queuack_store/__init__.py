"""A durable job queue in one DuckDB file that many processes use at once.

Importing this loads nothing: each name brings its module on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from queuack_store.decorators import JobFunction, job
    from queuack_store.defaults import close_default_queue, get_default_queue
    from queuack_store.errors import (
        BackpressureError,
        ClaimLostError,
        DamagedFileError,
        DamagedJournalError,
        FileInUseError,
        FileReplacedError,
        ForeignOwnerError,
        InvalidRequestError,
        JobCancelledError,
        JobError,
        JobFailedError,
        JobSkippedError,
        MissingPackageError,
        NetworkFileSystemError,
        NewerSchemaError,
        NotADatabaseError,
        OwnerError,
        OwnerLostError,
        OwnerStartError,
        OwnerTimeoutError,
        PayloadError,
        PayloadTooLargeError,
        ProtocolError,
        QueryError,
        QueuackError,
        ReadOnlyStoreError,
        RecordRefusedError,
        ResultNotReadyError,
        StorageError,
        StorageFullError,
        StoreClosedError,
        UnknownJobError,
        WaitTimeoutError,
    )
    from queuack_store.queue import DuckQueue
    from queuack_store.states import DependencyMode, JobStatus
    from queuack_store.store import Store
    from queuack_store.tables import Rows
    from queuack_store.views import Job

__all__ = [
    "BackpressureError",
    "ClaimLostError",
    "DamagedFileError",
    "DamagedJournalError",
    "DependencyMode",
    "DuckQueue",
    "FileInUseError",
    "FileReplacedError",
    "ForeignOwnerError",
    "InvalidRequestError",
    "Job",
    "JobCancelledError",
    "JobError",
    "JobFailedError",
    "JobFunction",
    "JobSkippedError",
    "JobStatus",
    "MissingPackageError",
    "NetworkFileSystemError",
    "NewerSchemaError",
    "NotADatabaseError",
    "OwnerError",
    "OwnerLostError",
    "OwnerStartError",
    "OwnerTimeoutError",
    "PayloadError",
    "PayloadTooLargeError",
    "ProtocolError",
    "QueryError",
    "QueuackError",
    "ReadOnlyStoreError",
    "RecordRefusedError",
    "ResultNotReadyError",
    "Rows",
    "StorageError",
    "StorageFullError",
    "Store",
    "StoreClosedError",
    "UnknownJobError",
    "WaitTimeoutError",
    "close_default_queue",
    "get_default_queue",
    "job",
]

_HOMES = {
    "DependencyMode": "states",
    "DuckQueue": "queue",
    "Job": "views",
    "JobFunction": "decorators",
    "JobStatus": "states",
    "Rows": "tables",
    "Store": "store",
    "close_default_queue": "defaults",
    "get_default_queue": "defaults",
    "job": "decorators",
}  # every other name lives in errors


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
