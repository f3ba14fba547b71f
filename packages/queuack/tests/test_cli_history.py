"""`sql` and `dag`: the history asked from the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from cli_running import Cli
from queuack import DuckQueue


def ok() -> int:
    return 1


def bad() -> int:
    raise ValueError("bad")


@pytest.fixture
def runs(queue: DuckQueue) -> list[str]:
    """Two runs of one DAG with a sub-DAG in it; the second failed at its last node."""
    found = []
    for last in (ok, bad):
        with queue.dag("etl") as dag:
            dag.add_node(ok, "extract")
            inner = queue.create_dag("inner")
            inner.add_node(ok, "part")
            dag.add_subdag(inner, "inner", depends_on="extract")
            dag.add_node(last, "load", depends_on="inner", max_attempts=1)
        dag.execute()
        found.append(str(dag.dag_run_id))
    return found


def test_sql_in_three_forms(cli: Cli, queue: DuckQueue) -> None:
    query = "SELECT i AS n, CASE WHEN i > 0 THEN 'a,\"b\"' END AS t FROM range(2) r(i) ORDER BY 1"
    assert [line.split() for line in cli("sql", query).out.splitlines()] == [
        ["n", "t"],
        ["0"],
        ["1", 'a,"b"'],
    ]
    assert cli("sql", query, "--json").json() == [{"n": 0, "t": None}, {"n": 1, "t": 'a,"b"'}]
    rows = list(csv.reader(io.StringIO(cli("sql", query, "--csv").out)))
    assert rows == [["n", "t"], ["0", ""], ["1", 'a,"b"']]
    assert cli("sql", "SELECT 1 WHERE false", "--json").json() == []


def test_sql_gives_json_for_every_type(cli: Cli, queue: DuckQueue) -> None:
    query = (
        "SELECT 1.50::DECIMAL(5,2) d, 'nan'::DOUBLE f, DATE '2024-05-01' t, INTERVAL 90 SECOND i, "
        "'ab'::BLOB b, [1, NULL] l, {'x': 1} s, MAP {1: 2} m"
    )
    (row,) = cli("sql", query, "--json").json()
    assert (row["d"], row["f"], row["t"], row["l"], row["s"]) == (
        1.5,
        None,
        "2024-05-01",
        [1, None],
        {"x": 1},
    )


def test_sql_prints_all_of_a_large_result_as_json(cli: Cli, queue: DuckQueue) -> None:
    query = "SELECT i FROM range(20000) r(i) ORDER BY i"
    assert [row["i"] for row in cli("sql", query, "--json").json()] == list(range(20_000))
    shown = cli("sql", query).out.splitlines()
    assert len(shown) == 1 + 1_000 + 1
    assert "1,000 of 20,000" in shown[-1]


def test_sql_refuses_what_writes(cli: Cli, queue: DuckQueue) -> None:
    for query in ("DROP TABLE jobs", "SELECT", "SELECT * FROM nowhere"):
        answer = cli("sql", query)
        assert (answer.code, answer.out) == (2, ""), query
        assert answer.err.startswith("queuack: ")
    assert cli("sql", "SELECT 1", "--csv", "--json").code == 2


def test_sql_reads_standard_input(cli: Cli, queue: DuckQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 41 + 1 AS n"))
    assert cli("sql", "-", "--json").json() == [{"n": 42}]


def test_backup_is_a_queue(cli: Cli, queue: DuckQueue, folder: Path) -> None:
    job = queue.enqueue(ok)
    assert cli("backup", "copy.db", "--json").json()["rows"]["jobs"] == 1
    assert str(folder / "second.db") in cli("backup", "second.db").out
    assert [found["id"] for found in cli("jobs", "--db", "copy.db", "--json").json()] == [job]
    answer = cli("backup", "copy.db")
    assert (answer.code, answer.out) == (2, "")
    assert "nothing is ever overwritten" in answer.err


def test_export_writes_what_has_ended(cli: Cli, runs: list[str], folder: Path) -> None:
    assert cli("export", "history.parquet", "--json").json()["rows"]["jobs"] >= 6
    assert list(folder.glob("history.parquet/jobs/day=*/*.parquet"))
    assert cli("export", "old.parquet", "--until", "2020-01-01", "--json").json()["rows"]["jobs"] == 0
    assert "read it" not in cli("export", "none.parquet", "--until", "2020-01-01").out
    assert "read it" in cli("export", "new.parquet", "--since", "1h").out
    for moment in ("soon", "99999999w"):
        answer = cli("export", "bad.parquet", "--since", moment)
        assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert cli("export", "bad.parquet", "--since", "2020-01-02", "--until", "2020-01-01").code == 2


def test_dag_list_shows_runs_and_no_parts_of_runs(cli: Cli, runs: list[str]) -> None:
    listed = cli("dag", "list", "--json").json()
    assert [(run["id"], run["status"]) for run in listed] == [(runs[1], "failed"), (runs[0], "done")]
    assert (listed[0]["done"], listed[0]["failed"], listed[0]["total"]) == (2, 1, 3)
    assert cli("dag", "list", "--name", "other", "--json").json() == []
    assert len(cli("dag", "list", "-n", "1").out.splitlines()) == 2


def test_dag_show_by_id_and_by_name(cli: Cli, runs: list[str]) -> None:
    page = cli("dag", "show", "etl").out
    for text in ("failed", "inner/part", "ValueError: bad", runs[1]):
        assert text in page
    shown = cli("dag", "show", runs[0], "--json").json()
    assert shown["status"] == "done"
    assert {node["path"] for node in shown["nodes"]} == {"extract", "inner", "inner/part", "load"}


def test_dag_graph_is_drawn(cli: Cli, runs: list[str], folder: Path) -> None:
    text = cli("dag", "graph", runs[1]).out
    assert "flowchart" in text
    assert "load" in text
    assert cli("dag", "graph", "etl", "-o", "etl.html").out == "etl.html\n"
    assert "<html" in (folder / "etl.html").read_text()[:200]
    assert "load" in cli("dag", "graph", "etl", "--json").json()["mermaid"]
    answer = cli("dag", "graph", "etl", "-o", "etl.png")
    assert answer.code == 2
    assert ".html" in answer.err


def test_dag_gantt_shows_when_nodes_ran(cli: Cli, runs: list[str], folder: Path) -> None:
    text = cli("dag", "gantt", "etl").out
    for word in ("gantt", "extract", "inner › part", "load"):
        assert word in text
    assert cli("dag", "gantt", runs[0], "-o", "etl.md").out == "etl.md\n"
    assert "```mermaid" in (folder / "etl.md").read_text()
    assert "gantt" in cli("dag", "gantt", "etl", "--json").json()["mermaid"]


def test_dag_resume_brings_back_what_failed(cli: Cli, queue: DuckQueue, runs: list[str]) -> None:
    assert cli("dag", "resume", "etl", "--json").json() == {"id": runs[1], "resumed": 1}
    assert queue.stats()["pending"] == 1
    assert "0 nodes" in cli("dag", "resume", runs[0]).out


def test_a_run_that_is_not_there(cli: Cli, queue: DuckQueue) -> None:
    for run in ("nothing", "0196a0d3-0000-7000-8000-000000000000"):
        for command in ("show", "graph", "gantt", "resume"):
            answer = cli("dag", command, run)
            assert (answer.code, answer.out) == (3, "")
            assert run in answer.err


def test_json_lines_of_rows_are_json(cli: Cli, queue: DuckQueue) -> None:
    lines = cli("sql", "SELECT i FROM range(3) r(i)", "--json").out.splitlines()
    assert [json.loads(line.rstrip(",")) for line in lines[1:-1]] == [{"i": 0}, {"i": 1}, {"i": 2}]
