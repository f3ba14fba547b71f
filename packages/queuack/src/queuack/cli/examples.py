"""One example for each command: what its help ends with."""

from __future__ import annotations

EXAMPLES = {
    "init": "queuack init --db jobs.duckdb",
    "add": "queuack add -- echo hello",
    "enqueue": "queuack enqueue math:sqrt --args '[2]'",
    "jobs": "queuack jobs --state failed --newer 2h",
    "show": "queuack show 019abc00-0000-7000-8000-000000000001",
    "why": "queuack why 019abc00-0000-7000-8000-000000000001",
    "retry": "queuack retry --all --queue default",
    "cancel": "queuack cancel 019abc00-0000-7000-8000-000000000001",
    "purge": "queuack purge --state done --older 7d",
    "status": "queuack status --json",
    "stats": "queuack stats --queue default",
    "top": "queuack top",
    "pause": "queuack pause default",
    "resume": "queuack resume default",
    "worker": "queuack worker --processes 2",
    "sql": "queuack sql 'SELECT status, count(*) FROM jobs GROUP BY ALL'",
    "export": "queuack export history.parquet --since 30d",
    "backup": "queuack backup copy.duckdb",
    "doctor": "queuack doctor",
    "repair": "queuack repair",
}
