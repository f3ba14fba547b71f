"""What a worker raises: inside a job that must stop, and for a worker that can't start.

QueuackError
├── JobInterruptError            raised inside a running job by its worker
│   ├── JobTimeoutError (TimeoutError)
│   ├── JobCancelRequestedError
│   └── WorkerStoppingError
└── WorkerStartError             the worker can't run as asked
"""

from __future__ import annotations

from typing import Any, ClassVar

from queuack_store.errors import QueuackError


class JobInterruptError(QueuackError):
    """The base of what a worker raises inside a job that must stop; catch it only to tidy up.

    A job that was interrupted ends as the interrupt says, whatever it returns afterwards.
    """

    reason: ClassVar[str] = "the job was interrupted"

    def __init__(self, message: str = "", **facts: Any) -> None:
        # CPython raises it in the job's thread without arguments, hence the default.
        super().__init__(message or self.reason, **facts)


class JobTimeoutError(JobInterruptError, TimeoutError):
    """The job ran longer than its `timeout_seconds`; the attempt has failed."""

    reason = "the job ran longer than its timeout"


class JobCancelRequestedError(JobInterruptError):
    """Somebody cancelled the job while it ran."""

    reason = "the job was cancelled"


class WorkerStoppingError(JobInterruptError):
    """The worker stops and waited long enough; the job goes back to the queue, its attempt unspent."""

    reason = "the worker is stopping"


class WorkerStartError(QueuackError):
    """The worker can't run as asked: its settings don't fit, or its children don't start."""
