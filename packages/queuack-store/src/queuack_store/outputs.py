"""The folders beside the database in which jobs leave files: one per job, removed when the job is purged."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Iterable
from pathlib import Path

from queuack_store.ids import to_text

_PURGED = ".purged-"  # begins the name of what waits to be deleted
_CLOSE_S = 5.0  # a closing owner waits so long for the deletion; the next one goes on with it
_log = logging.getLogger("queuack.outputs")


def output_folder(database: str | os.PathLike[str], job_id: str) -> Path:
    """Return a job's folder, beside the file that `database` leads to; it need not exist."""
    return _home(database) / job_id


def _home(database: str | os.PathLike[str]) -> Path:
    return Path(f"{os.path.realpath(database)}.outputs")


class Outputs:
    """Removes the folders of purged jobs; belongs to the file's owner.

    A folder is renamed at once and deleted in the background: it may be large, and nobody must wait for
    it. Removing one twice does no harm.
    """

    def __init__(self, database: Path) -> None:
        self._home = _home(database)
        self._lock = threading.Lock()
        self._more = False
        self._thread: threading.Thread | None = None
        if self._home.is_dir():
            self._sweep()  # what an owner that was killed left behind

    def remove(self, ids: Iterable[bytes]) -> None:
        """Remove the folders of these jobs, where there are any."""
        if not self._home.is_dir():
            return
        for job_id in ids:
            name = to_text(job_id)
            try:
                os.rename(self._home / name, self._home / f"{_PURGED}{name}")
            except FileNotFoundError:
                continue
            except OSError as error:
                _log.warning("the output folder of purged job %s stays: %s", name, error)
        self._sweep()

    def close(self) -> None:
        """Wait a little for the deletion to end."""
        thread = self._thread
        if thread is not None:
            thread.join(_CLOSE_S)

    def _sweep(self) -> None:
        with self._lock:
            self._more = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._delete, name="queuack-outputs", daemon=True)
                self._thread.start()

    def _delete(self) -> None:
        while True:
            with self._lock:
                if not self._more:
                    self._thread = None
                    return
                self._more = False
            for folder in self._home.glob(f"{_PURGED}*"):
                shutil.rmtree(folder, ignore_errors=True)
                if folder.exists():
                    _log.warning("%s, of a purged job, can't be deleted: delete it by hand", folder)
            try:
                self._home.rmdir()
            except OSError:
                pass  # other jobs' folders are in it
