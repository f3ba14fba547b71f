"""`doctor` and `repair`: healthy, in use, damaged and missing files, in words, JSON and exit codes."""

from __future__ import annotations

from pathlib import Path

from cli_running import Cli
from queuack import DuckQueue

HEADERS = 3 * 4_096  # of a DuckDB file


def damage(path: Path) -> None:
    """Overwrite all but the headers of a database that has one job."""
    with DuckQueue(path) as queue:
        queue.enqueue(print)
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.seek(HEADERS)
        file.write(b"\xff" * (size - HEADERS))


def test_a_healthy_file_at_rest_and_in_use(cli: Cli, folder: Path) -> None:
    cli("init")
    answer = cli("doctor")
    assert answer.code == 0
    assert "nothing is wrong" in answer.out
    with DuckQueue("duckqueue.db") as queue:
        queue.enqueue(len, ("quack",))
        queue.pause()
        queue.set_retention({"done": "14d"})
        said = cli("doctor").out
        for text in ("owner      yes\n", "1 pending\n", "done 14 d 0 h\n", "queues that are paused: 1\n"):
            assert text in said
        found = cli("doctor", "--json").json()
        assert (found["healthy"], found["path"]) == (True, str(folder / "duckqueue.db"))
        busy = cli("repair")
        assert (busy.code, busy.out) == (75, "")
        assert "in use" in busy.err
    assert cli("repair", "--json").json()["healthy"] is True


def test_a_damaged_file_is_a_problem_until_repaired(cli: Cli, folder: Path) -> None:
    damage(folder / "duckqueue.db")
    before = (folder / "duckqueue.db").read_bytes()
    answer = cli("doctor")
    assert answer.code == 1
    assert "problem: " in answer.out
    assert (folder / "duckqueue.db").read_bytes() == before
    found = cli("doctor", "--json")
    assert (found.code, found.json()["healthy"]) == (1, False)
    refused = cli("repair")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("queuack: ")


def test_a_file_that_is_no_database_or_not_there(cli: Cli, folder: Path) -> None:
    (folder / "other.db").write_bytes(b"something else" * 1_000)
    assert cli("doctor", "--db", "other.db").code == 1
    missing = cli("doctor")
    assert missing.code == 3
    assert str(folder / "duckqueue.db") in missing.out
    refused = cli("repair")
    assert (refused.code, refused.out) == (3, "")
    assert not (folder / "duckqueue.db").exists()
