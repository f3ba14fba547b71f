"""Metrics, health and alerts: what a worker serves, and the files that let Prometheus and Grafana show it.

    queuack-worker jobs.duckdb                                        serves http://127.0.0.1:9464/metrics
    docker compose -f prometheus_grafana/compose.yaml up              then open http://127.0.0.1:3000

Run as a script it starts a worker, gives it work, and reads what Prometheus would read.
"""

import re
import socket
import subprocess
import tempfile
import time
from urllib.request import urlopen

from queuack import DuckQueue

SHOWN = ("queuack_jobs_succeeded_total", "queuack_jobs_failed_total", "queuack_jobs_dead_total")


def work(n: int) -> None:
    if n % 10 == 0:
        raise ValueError("every tenth fails")


def get(address: str) -> str:
    with urlopen(address, timeout=10) as reply:
        return reply.read().decode()


def counters(text: str) -> dict[str, float]:
    found = re.findall(r"^(\w+)\{[^}]*task=\"[^\"]*work\"[^}]*\} (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found if name in SHOWN}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, DuckQueue(f"{folder}/jobs.duckdb") as queue:
        port = free_port()
        command = ["queuack-worker", f"{folder}/jobs.duckdb", "--processes", "1", "--log-level", "error"]
        worker = subprocess.Popen([*command, "--metrics-port", str(port)])
        jobs = queue.enqueue_batch([(work, (n,)) for n in range(1, 51)], max_attempts=1)
        queue.wait(queue.enqueue(len, args=((),), depends_on=jobs, dependency_mode="always"), timeout=60)

        base = f"http://127.0.0.1:{port}"
        print("ready:", get(f"{base}/readyz").splitlines()[0])
        until = time.monotonic() + 30
        while sum(counters(get(f"{base}/metrics")).values()) < 55 and time.monotonic() < until:
            time.sleep(0.1)
        for name, value in counters(get(f"{base}/metrics")).items():
            print(f"{name}: {value:g}")
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    main()

# Output:
# ready: {"ready": true, "reasons": []}
# queuack_jobs_succeeded_total: 45
# queuack_jobs_failed_total: 5
# queuack_jobs_dead_total: 5
