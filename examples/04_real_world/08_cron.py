"""Every night at three, by the system's own scheduler: cron starts a tick, the queue lets it count once.

python 08_cron.py --install    prints the line for `crontab -e`, and a systemd timer
python 08_cron.py --tick DB    what the scheduler runs; a second tick of one day changes nothing
"""

import datetime as dt
import sys
import tempfile
from pathlib import Path

from queuack import DAG, DuckQueue

CRON = "0 3 * * *  cd {folder} && {python} {script} --tick {db}"
TIMER = """\
# queuack-nightly.timer
[Timer]
OnCalendar=*-*-* 03:00
Persistent=true
[Install]
WantedBy=timers.target"""


def report(day: str) -> str:
    return f"report of {day}"


def tick(db: str, today: dt.date) -> None:
    with DuckQueue(db) as queue:
        dag = DAG("nightly", queue, run_key=f"nightly-{today}")
        dag.add_node(report, args=(today.isoformat(),), max_attempts=5)
        dag.submit()
        runs = queue.sql("SELECT count(*) FROM dag_runs").fetchall()[0][0]
        print(f"{today}: {dag.status.value}, {runs} run(s) so far")


def install(db: str) -> None:
    script = Path(__file__).resolve()
    print(CRON.format(folder=script.parent, python=sys.executable, script=script.name, db=db))
    print(TIMER)


def show() -> None:
    install("/srv/app/jobs.duckdb")
    monday = dt.date(2026, 11, 23)
    with tempfile.TemporaryDirectory() as folder:
        for day in (monday, monday, monday + dt.timedelta(days=1)):  # the machine was rebooted at three
            tick(f"{folder}/jobs.duckdb", day)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--tick", db]:
            tick(db, dt.date.today())
        case ["--install"]:
            install("jobs.duckdb")
        case _:
            show()

# Output:
# 0 3 * * *  cd … && … 08_cron.py --tick /srv/app/jobs.duckdb
# …
# 2026-11-23: pending, 1 run(s) so far
# 2026-11-23: pending, 1 run(s) so far
# 2026-11-24: pending, 2 run(s) so far
