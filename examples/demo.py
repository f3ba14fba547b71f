"""The main job on real input: count every source file of the running interpreter's standard library.

Two worker processes share one queue file with this process, which only watches. At the end the totals
are read back from the file with SQL; it exits with 1 if a single job is missing.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from demo_jobs import count_batch
from queuack_store import DuckQueue
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

FILES_PER_JOB = 8
QUEUE = "demo"


def main() -> int:
    """Run the demo; return the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--folder", type=Path, default=Path(sysconfig.get_paths()["stdlib"]))
    args = options.parse_args()
    files = sorted(p for p in args.folder.rglob("*.py") if "site-packages" not in p.parts)
    batches = [[str(p) for p in files[i : i + FILES_PER_JOB]] for i in range(0, len(files), FILES_PER_JOB)]
    console = Console()
    with tempfile.TemporaryDirectory(prefix="queuack-demo-") as folder:
        db = str(Path(folder) / "demo.duckdb")
        said = f"{len(files):,} files of {args.folder} in {len(batches):,} jobs, on {db}"
        console.print(said, soft_wrap=True)
        with DuckQueue(db, default_queue=QUEUE) as queue:
            started = time.monotonic()
            ids = queue.enqueue_batch([(count_batch, (batch,), {}) for batch in batches])
            worker = start_worker(db, args.processes)
            try:
                watch(queue, len(ids), console, worker)
            finally:
                worker.send_signal(signal.SIGTERM)
                worker.wait()
            seconds = time.monotonic() - started
            return report(queue, ids, len(files), seconds, console)


def start_worker(db: str, processes: int) -> subprocess.Popen[bytes]:
    """Start `queuack-worker` with this folder to import the job's function from."""
    command = [sys.executable, "-m", "queuack_worker.cli", db, "--processes", str(processes)]
    command += ["--queues", QUEUE, "--app", str(Path(__file__).parent), "--log-level", "warning"]
    return subprocess.Popen(command)


def watch(queue: DuckQueue, total: int, console: Console, worker: subprocess.Popen[bytes]) -> None:
    """Show progress until every job has ended."""
    columns = (
        TextColumn("counting"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[now]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=total, now="")
        while True:
            stats = queue.stats()
            ended = stats["done"] + stats["failed"] + stats["skipped"] + stats["cancelled"]
            now = f"pending {stats['pending']} · claimed {stats['claimed']} · failed {stats['failed']}"
            progress.update(task, completed=ended, now=now)
            if ended >= total:
                return
            if worker.poll() is not None:
                raise SystemExit(f"the worker ended early, with exit code {worker.returncode}")
            time.sleep(0.1)


def report(queue: DuckQueue, ids: list[str], files: int, seconds: float, console: Console) -> int:
    """Read the results from the queue's file and say what is missing."""
    modules = [module for job in ids for module in queue.get_result(job)]
    largest = Table("module", "tokens", "functions", "comment lines", title="The ten largest modules")
    for name, tokens, functions, comments in sorted(modules, key=lambda m: -m[1])[:10]:
        largest.add_row(name, f"{tokens:,}", f"{functions:,}", f"{comments:,}")
    slowest = Table("job", "attempt", "worker", "seconds", title="The slowest jobs")
    rows = queue.sql(
        """
        SELECT j.id::VARCHAR, a.attempt, a.worker, a.duration_seconds
        FROM job_attempts a JOIN jobs j ON j.id = a.job_id
        WHERE a.outcome = 'done' ORDER BY a.duration_seconds DESC LIMIT 5
        """
    ).fetchall()
    for job, attempt, worker, duration in rows:
        slowest.add_row(job, str(attempt), worker, f"{duration:.3f}")
    done, attempts = queue.sql(
        "SELECT count(*) FILTER (status = 'done'), (SELECT count(*) FROM job_attempts) FROM jobs"
    ).fetchall()[0]
    console.print(largest, slowest)
    console.print(
        f"{done:,} of {len(ids):,} jobs done in {attempts:,} attempts, {len(modules):,} of {files:,} files, "
        f"{sum(m[1] for m in modules):,} tokens, {done / seconds:,.0f} jobs/s, {seconds:.1f} s in all",
        soft_wrap=True,
    )
    complete = done == len(ids) and len(modules) == files
    console.print("nothing is missing" if complete else "[bold red]jobs are missing")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
