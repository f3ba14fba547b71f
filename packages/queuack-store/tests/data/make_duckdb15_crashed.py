"""Makes `duckdb15_crashed.db` anew, after a change of schema version 1 while nothing was released.

uv run --no-project --with duckdb==1.5.6 python packages/queuack-store/tests/data/make_duckdb15_crashed.py
"""

import gzip
import os
import tempfile
from pathlib import Path

import duckdb

HERE = Path(__file__).parent
MIGRATIONS = HERE.parents[1] / "src" / "queuack_store" / "duckdb" / "migrations"
AT = "make_timestamp(1700000000000000)"


def write(path):
    connection = duckdb.connect(path)
    connection.execute("PRAGMA disable_checkpoint_on_shutdown")
    for step in sorted(MIGRATIONS.glob("001_*.sql")):
        connection.execute(step.read_text("utf-8"))
    connection.execute("INSERT INTO queuack_meta VALUES (1, ?, 0, 1, 1)", [bytes(range(16))])
    connection.execute("CHECKPOINT")
    for n in range(1, 51):
        connection.execute("BEGIN")
        connection.execute(
            "INSERT INTO jobs (id, seq, queue, task, status, priority, created_at, attempts, max_attempts, "
            "fresh_attempts, timeout_seconds, dependency_mode, waiting_on, claim, suspect, tags) "
            f"VALUES (?, ?, 'default', 'tests:noop', 'pending', 50, {AT}, 0, 3, "
            "3, 300, 'all', 0, 0, false, [])",
            [f"00000000-0000-7000-8000-{n:012x}", n],
        )
        connection.execute("INSERT INTO job_payloads VALUES (?, 0, 7, 'payload'::BLOB)", [n])
        connection.execute(f"UPDATE jobs SET status = 'done', completed_at = {AT} WHERE seq = ?", [n - 5])
        connection.execute(
            "UPDATE queuack_meta SET cycle = ?, next_seq = ?, next_claim = ?", [n, n + 1, n + 1]
        )
        connection.execute("COMMIT")
    os._exit(0)  # no close: everything is in the log


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "duckdb15_crashed.db")
        child = os.fork()
        if child == 0:
            write(path)
        os.waitpid(child, 0)
        for suffix in ("", ".wal"):
            body = Path(f"{path}{suffix}").read_bytes()
            (HERE / f"duckdb15_crashed.db{suffix}.gz").write_bytes(gzip.compress(body, mtime=0))


if __name__ == "__main__":
    main()
