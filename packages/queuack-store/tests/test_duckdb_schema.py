"""docs/schema.md tells of every public column, with its type, and of nothing else."""

import re
from pathlib import Path

import pytest
from queuack_store.clock import SystemClock
from queuack_store.duckdb.database import open_database
from queuack_store.engine.journalling import no_probe
from queuack_store.engine.reads import ReadSql

PAGE = Path(__file__).parents[3] / "docs" / "schema.md"
PUBLIC = ["jobs", "job_attempts", "job_progress", "job_logs", "job_dependencies", "dag_runs"]


@pytest.mark.skipif(not PAGE.exists(), reason="the package stands alone here")
@pytest.mark.parametrize("table", PUBLIC)
def test_the_page_lists_the_columns(table):
    section = PAGE.read_text("utf-8").split(f"\n## {table}\n")[1].split("\n## ")[0]
    told = {}
    for names, kind in re.findall(r"^\| (`[^|]+`) \| ([A-Z]+(?:\[\])?) \|", section, re.MULTILINE):
        told.update(dict.fromkeys(re.findall(r"`(\w+)`", names), kind))
    database = open_database(None, SystemClock(), no_probe)
    described = database.read(ReadSql(f"DESCRIBE {table}", None, 30.0, False, 0)).rows
    database.close()
    assert told == {row[0]: row[1] for row in described}
