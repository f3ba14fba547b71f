"""Threads that a job starts belong to that job, in the processes that exist to run jobs.

Python 3.14 can do this by itself (`thread_inherit_context`); before, a new thread knows nothing of its
starter. It is done in child processes only: a user's own program is left as it is.
"""

from __future__ import annotations

import threading

from queuack_worker.context import inherited, running_slot


def let_threads_inherit() -> None:
    """From now on a thread that is started by a job's code counts as the job's, until the job has ended."""
    start = threading.Thread.start

    def start_inheriting(self: threading.Thread) -> None:
        slot = running_slot()
        job = None if slot is None else slot.job
        if job is not None:
            run = self.run

            def run_inheriting() -> None:
                inherited.slot, inherited.job = slot, job
                run()

            self.run = run_inheriting  # type: ignore[method-assign]
        start(self)

    threading.Thread.start = start_inheriting  # type: ignore[method-assign]
