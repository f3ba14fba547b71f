"""queuack beside its peers, in one run on one machine.

    python -m benchmarks.peers [--all] [--quick] [--table NAME] [--only NAME] [--json PATH]

Each peer gets a venv of its own with pinned packages, kept in build/peers, and the servers it needs:
Debian's packages, started on loopback with empty stores before each figure and stopped after it. The peers
take turns, round after round, so that a busy moment of the machine hurts all of them alike; medians count.
What each figure means stands in `measure_queue.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks import measuring
from benchmarks.peers import venvs
from benchmarks.peers.catalogue import DAGS, POWER, QUEUES, DagPeer, QueuePeer
from benchmarks.peers.servers import NoServer, install, serving
from benchmarks.peers.streams import measure_streams

HERE = Path(__file__).parent
LIBRARIES = ["queuack-store", "queuack-worker", "queuack-dag", "queuack-stream", "duckdb", "pyarrow"]
PHASES = {"enqueue": (3, 1), "batch": (3, 1), "drain": (100_000, 2_000), "latency": (200, 60)}  # full, quick
QUEUE_ROWS = {
    "enqueue": ("enqueue, 1 producer", "jobs/s"),
    "batch": ("batch of 10,000", "jobs/s"),
    "drain": ("drain, 2 processes", "jobs/s"),
    "latency_p50": ("enqueue to start, p50", "ms"),
    "latency_p99": ("enqueue to start, p99", "ms"),
    "pss_idle": (
        "PSS, owner + supervisor + 2 children",
        "MB",
    ),  # owner, or the server that stands in its place
    "cpu_percent": ("CPU at 20 jobs/s, workers and server", "%"),
}
PHASE_SECONDS = 400


Found = tuple[list[measuring.Row], list[measuring.Failure]]


class Failed(Exception):
    """A peer's figure could not be taken; the run goes on without it."""


def queue_rows(peers: list[QueuePeer], rounds: int, quick: bool) -> Iterator[Found]:
    """Measure every queue, `rounds` times in turn; after each give all that is known."""
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    failures: dict[tuple[str, str], str] = {}
    for turn in range(rounds):
        for peer in peers:
            for phase, sizes in PHASES.items():
                if (peer.system, phase) in failures:
                    continue
                print(f"round {turn + 1}: {peer.system}: {phase} … ", end="", flush=True)
                try:
                    found = one_figure(peer, phase, sizes[quick])
                except Failed as error:
                    failures[peer.system, phase] = str(error)
                    print(f"failed: {error}")
                    continue
                figures = ", ".join(f"{name} {measuring.number(value)}" for name, value in found.items())
                print(figures or "has none")
                for name, value in found.items():
                    values[peer.system, name].append(value)
            yield list(_queue_rows(values, peers)), _failures("queue", failures)


def _queue_rows(
    values: dict[tuple[str, str], list[float]], peers: list[QueuePeer]
) -> Iterator[measuring.Row]:
    by_name = {peer.system: peer for peer in peers}
    for (system, name), found in values.items():
        if name not in QUEUE_ROWS:
            continue
        measure, unit = QUEUE_ROWS[name]
        yield measuring.row(
            "queue", measure, found, unit,
            system=system, durable=by_name[system].durable == POWER,
            settings={"how": by_name[system].settings, "survives": by_name[system].durable},
        )  # fmt: skip


def _failures(table: str, found: dict[tuple[str, str], str]) -> list[measuring.Failure]:
    return [measuring.failure(table, system, what, why) for (system, what), why in found.items()]


def one_figure(peer: QueuePeer, phase: str, size: int) -> dict[str, float]:
    """One phase of one queue: an empty store, a fresh process in the peer's venv."""
    python = python_of(peer)
    with tempfile.TemporaryDirectory(prefix="queuack-peer-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            install([peer.server] if peer.server else [])
            with serving(peer.server, folder) as environment:
                environment |= {
                    "PEER_FOLDER": name,
                    "PEER_VARIANT": peer.variant,
                    "PEER_MARKS": f"{name}/marks",
                    "PYTHONPATH": f"{HERE}:{HERE / 'queues'}:{venvs.ROOT}",
                }
                command = [python, str(HERE / "measure_queue.py"), peer.adapter, phase, str(size)]
                return asked(command, environment, folder)
        except NoServer as error:
            raise Failed(str(error)) from error


def dag_rows(peers: list[DagPeer], rounds: int, quick: bool) -> Iterator[Found]:
    """Measure every workflow engine, `rounds` times in turn; after each give all that is known."""
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    nodes = {peer.system: peer.nodes // 10 if quick else peer.nodes for peer in peers}
    failures: dict[tuple[str, str], str] = {}
    for turn in range(rounds):
        for peer in peers:
            if (peer.system, "all") in failures:
                continue
            print(f"round {turn + 1}: {peer.system} … ", end="", flush=True)
            try:
                found = one_engine(peer, nodes[peer.system])
            except Failed as error:
                print(f"failed: {error}")
                failures[peer.system, "all"] = str(error)
                continue
            print(", ".join(f"{shape} {measuring.number(value)} ms" for shape, value in found.items()))
            for shape, value in found.items():
                values[peer.system, shape].append(value)
            yield list(_dag_rows(values, peers, nodes)), _failures("dag", failures)
    yield list(_dag_rows(values, peers, nodes)), _failures("dag", failures)


def _dag_rows(
    values: dict[tuple[str, str], list[float]], peers: list[DagPeer], nodes: dict[str, int]
) -> Iterator[measuring.Row]:
    by_name = {peer.system: peer for peer in peers}
    for (system, shape), found in values.items():
        peer = by_name[system]
        yield measuring.row(
            "dag", shape, found, "ms/node", system=system, durable=peer.durable == POWER,
            settings={"how": peer.settings, "nodes": nodes[system], "survives": peer.durable},
        )  # fmt: skip


def one_engine(peer: DagPeer, nodes: int) -> dict[str, float]:
    """Both shapes of one workflow engine, in a fresh process in the peer's venv."""
    python = python_of(peer)
    with tempfile.TemporaryDirectory(prefix="queuack-peer-", ignore_cleanup_errors=True) as name:
        command = [python, str(HERE / "dags" / peer.script), str(nodes), *peer.arguments]
        return asked(command, {"PEER_FOLDER": name, "PYTHONPATH": str(HERE / "dags")}, Path(name))


def python_of(peer: QueuePeer | DagPeer) -> str:
    """The Python of the peer's venv."""
    try:
        return venvs.python_of(peer.packages)
    except venvs.NotInstalled as error:
        raise Failed(str(error)) from error


def asked(command: list[str], environment: dict[str, str], folder: Path) -> dict[str, float]:
    """Run a measuring script; return the JSON of its last line."""
    out, err = folder / "measured.out", folder / "measured.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        started = subprocess.Popen(
            command, env={**os.environ, **environment}, cwd=folder, stdout=stdout, stderr=stderr,
            start_new_session=True,
        )  # fmt: skip
    try:
        status = started.wait(PHASE_SECONDS)
    except subprocess.TimeoutExpired:
        started.send_signal(signal.SIGINT)  # so that it ends its workers
        raise Failed(f"no end within {PHASE_SECONDS} s") from None
    finally:
        _end(started)
    if status:
        log = folder / "workers.log"
        told = (err.read_text().strip() or "no message").splitlines()[-1]
        raise Failed(f"{told}{' | ' + log.read_text()[-300:] if log.exists() else ''}")
    return dict(json.loads(out.read_text().strip().splitlines()[-1]))


def _end(started: subprocess.Popen[bytes]) -> None:
    """Let it stop its workers, then kill what is left of its session."""
    with suppress(subprocess.TimeoutExpired):
        started.wait(30)
    with suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)
    started.wait()


def chosen(peers: list[Any], everything: bool, only: list[str] | None) -> list[Any]:
    """The peers of this run: the default ones, all, or those whose name holds one of `only`."""
    if only:
        return [peer for peer in peers if any(part.lower() in peer.system.lower() for part in only)]
    return [peer for peer in peers if everything or peer.default]


def main() -> None:
    """Measure what was asked for, print it and write it down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument(
        "--all", action="store_true", help="every peer, not only the four queues and two engines"
    )
    parser.add_argument("--quick", action="store_true", help="one round of fewer jobs: does it run at all?")
    parser.add_argument("--rounds", type=int, help="rounds of which the median counts (3; quick: 1)")
    parser.add_argument(
        "--table", choices=["queue", "dag", "stream"], action="append", help="only this; repeatable"
    )
    parser.add_argument("--only", action="append", help="only systems whose name contains this; repeatable")
    parser.add_argument("--json", metavar="PATH", help="where to write the results")
    wanted = parser.parse_args()
    rounds = wanted.rounds or (1 if wanted.quick else 3)
    queues, dags = chosen(QUEUES, wanted.all, wanted.only), chosen(DAGS, wanted.all, wanted.only)
    tables: dict[str, Callable[[], Iterator[Found]]] = {
        "queue": lambda: queue_rows(queues, rounds, wanted.quick),
        "dag": lambda: dag_rows(dags, rounds, wanted.quick),
        "stream": lambda: measure_streams(rounds, wanted.quick),
    }
    with tempfile.TemporaryDirectory(prefix="queuack-bench-") as folder:
        facts = measuring.machine(folder, LIBRARIES)
    facts["profile"] = "quick" if wanted.quick else "full"
    print(" · ".join(f"{key} {value}" for key, value in facts.items()), flush=True)
    rows: dict[str, list[measuring.Row]] = {}
    failures: dict[str, list[measuring.Failure]] = {}
    began = time.monotonic()
    for table in wanted.table or tables:
        for part, (known, failed) in enumerate(tables[table]()):
            key = f"{table}{part}" if table == "stream" else table  # streams come in parts, others grow
            rows[key], failures[key] = known, failed
            measuring.save(wanted.json, facts, [*chain(*rows.values())], [*chain(*failures.values())])
        print(f"{table}: {time.monotonic() - began:.0f} s since the start", flush=True)
    measuring.show(chain(*rows.values()))
    for failure in chain(*failures.values()):
        print(f"no figure: {failure['system']}, {failure['what']}: {failure['why']}")


if __name__ == "__main__":
    main()
