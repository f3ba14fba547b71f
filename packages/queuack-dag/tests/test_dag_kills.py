"""Random DAGs in child processes that are killed by their own nodes; each node is done once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from dag_nodes import note
from dag_reference import check_history, final_states
from queuack_dag import DAG
from queuack_store import DuckQueue
from test_dag_property import random_specs

_DONE = """
SELECT count(*), count(*) FILTER (times > 1) FROM (
    SELECT count(*) AS times FROM job_attempts a JOIN jobs j ON j.id = a.job_id
    WHERE j.dag_run_id = ?::UUID AND a.outcome = 'done' GROUP BY j.id
)
"""


def run_with_kills(folder: Path, queue: DuckQueue, seed: int, most: int, kills: int) -> None:
    specs = random_specs(seed, most)
    log = folder / f"history{seed}.log"
    victims = set(random.Random(seed).sample(sorted(specs), min(kills, len(specs))))
    # A kill also takes along what the process had just finished and not yet reported: all may try again.
    dag = DAG(f"kills{seed}", queue, validate=False, retry_delay=0, max_retries=len(victims) + 1)
    for name, spec in specs.items():
        dag.add_node(
            note,
            name,
            args=(str(log), name, spec.fails, name in victims),
            depends_on=spec.parents,
            dependency_mode=spec.mode,
        )
    dag.execute(processes=2)
    expected = final_states(specs)
    assert {row["name"]: row["status"].value for row in dag.get_jobs()} == expected
    assert queue.sql(_DONE, [dag.submit()]).fetchall() == [(list(expected.values()).count("done"), 0)]
    killed = {name for name in victims if expected[name] != "skipped"}
    assert {name for name in specs if Path(f"{log}.{name}").exists()} == killed
    check_history(specs, last_failures(log.read_text().splitlines()), once=False)


def last_failures(lines: list[str]) -> list[str]:
    # Only a node's last failure is its end.
    last = {line: index for index, line in enumerate(lines) if line.startswith("fail ")}
    return [line for index, line in enumerate(lines) if last.get(line, index) == index]


def test_dags_survive_the_death_of_their_workers(tmp_path: Path, shared: DuckQueue) -> None:
    for seed in (1, 2, 3):
        run_with_kills(tmp_path, shared, seed, 40, 3)


@pytest.mark.prove
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("part", range(40))
def test_2000_dags_survive_the_death_of_their_workers(tmp_path: Path, shared: DuckQueue, part: int) -> None:
    for seed in range(1_000 + 50 * part, 1_050 + 50 * part):
        run_with_kills(tmp_path, shared, seed, 200, 5)
