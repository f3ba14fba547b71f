"""Where a task's output lives: a given folder, the job's folder by the queue's file, or a temporary one."""

from __future__ import annotations

import os
import re
import tempfile
import uuid
from pathlib import Path
from typing import Any

_UNSAFE = re.compile(r"[^\w.-]+")


def output_path(name: str, suffix: str, output_dir: str | os.PathLike[str] | None, context: Any) -> Path:
    """The path for what the task `name` writes; its folder exists afterwards.

    In a job the file is named for the job, so that a second attempt replaces what a first one wrote. The
    job's folder is the context's `output_dir`, which belongs to the queue and is removed with the job; a
    plain call without `output_dir` gets a folder of its own among the temporary files, which is the
    caller's to remove.
    """
    job_id = getattr(context, "job_id", None)
    home = output_dir if output_dir is not None else getattr(context, "output_dir", None)
    if home is None:
        folder = Path(tempfile.mkdtemp(prefix="queuack-"))
    else:
        folder = Path(home)
        folder.mkdir(parents=True, exist_ok=True)
    stem = _UNSAFE.sub("_", name).strip("_") or "rows"
    unique = _UNSAFE.sub("_", str(job_id)) if job_id else uuid.uuid4().hex
    return (folder / f"{stem}-{unique}{suffix}").absolute()
