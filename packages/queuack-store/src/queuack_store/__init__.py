"""A durable job queue in one DuckDB file that many processes use at once.

Importing this loads nothing: each name brings its module on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from queuack_store.exports import exports

if TYPE_CHECKING:
    from queuack_store.decorators import JobFunction, job
    from queuack_store.defaults import close_default_queue, get_default_queue
    from queuack_store.diagnosis import Diagnosis, Finding
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
    from queuack_store.examining import doctor
    from queuack_store.following import JobLog, JobProgress
    from queuack_store.mending import repair
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
    "Diagnosis",
    "DuckQueue",
    "FileInUseError",
    "FileReplacedError",
    "Finding",
    "ForeignOwnerError",
    "InvalidRequestError",
    "Job",
    "JobCancelledError",
    "JobError",
    "JobFailedError",
    "JobFunction",
    "JobLog",
    "JobProgress",
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
    "doctor",
    "get_default_queue",
    "job",
    "repair",
]

_HOMES = {
    "DependencyMode": "queuack_store.states",
    "Diagnosis": "queuack_store.diagnosis",
    "DuckQueue": "queuack_store.queue",
    "Finding": "queuack_store.diagnosis",
    "Job": "queuack_store.views",
    "JobFunction": "queuack_store.decorators",
    "JobLog": "queuack_store.following",
    "JobProgress": "queuack_store.following",
    "JobStatus": "queuack_store.states",
    "Rows": "queuack_store.tables",
    "Store": "queuack_store.store",
    "close_default_queue": "queuack_store.defaults",
    "doctor": "queuack_store.examining",
    "get_default_queue": "queuack_store.defaults",
    "job": "queuack_store.decorators",
    "repair": "queuack_store.mending",
}  # every other name lives in errors

__getattr__, __dir__ = exports(globals(), _HOMES, "queuack_store.errors")
