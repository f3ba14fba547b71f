"""A real Prometheus scrapes two workers of one file; the dashboard's queries return data, the rules pass."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import socket

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import observed_tasks as tasks
from queuack_store import DuckQueue
from queuack_store.requests import GetVitals
from queuack_store.testing.contract_observing import COUNTED

PAGES = Path(__file__).parents[1] / "docs" / "observability"
PATIENCE_S = 120.0
WINDOW = "20s"  # what Grafana puts in the place of $__rate_interval at a scrape a second is no less

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="needs prometheus and promtool: apt-get install prometheus",
)


def dashboard_queries():
    dashboard = json.loads((PAGES / "dashboard.json").read_text("utf-8"))
    return [
        (panel["title"], target["expr"])
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    ]


def concrete(query):
    """Return the query as Grafana would send it with everything chosen."""
    for variable, value in (("$__rate_interval", WINDOW), ("$file", ".*"), ("$queue", ".*")):
        query = query.replace(variable, value)
    assert "$" not in query
    return query


class Prometheus:
    """A server of the test's own."""

    def __init__(self, folder, ports):
        with socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        targets = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
        config = folder / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
            f"rule_files: ['{PAGES / 'alerts.yml'}']\n"
            f"scrape_configs: [{{job_name: queuack, static_configs: [{{targets: [{targets}]}}]}}]\n"
        )
        self._log = (folder / "prometheus.log").open("wb")
        self._process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
             f"--web.listen-address=127.0.0.1:{self._port}"],
            stdout=self._log, stderr=self._log,
        )  # fmt: skip

    def close(self):
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        self._log.close()

    def ask(self, query):
        """Return the samples of an instant query as (labels, value); none where it is not up yet."""
        url = f"http://127.0.0.1:{self._port}/api/v1/query?" + urllib.parse.urlencode({"query": query})
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
                found = json.load(answer)
        except urllib.error.URLError:
            assert self._process.poll() is None, "Prometheus ended"
            return []
        return [(sample["metric"], float(sample["value"][1])) for sample in found["data"]["result"]]

    def rules(self):
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self._port}/api/v1/rules", timeout=PATIENCE_S
        ) as answer:
            groups = json.load(answer)["data"]["groups"]
        return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}


@contextmanager
def worker(db, folder):
    """Run a worker of two processes; give the port of its metrics."""
    command = [sys.executable, "-m", "queuack_worker.cli", db, "-p", "2", "-q", "default,mail",
               "--app", str(Path(__file__).parent), "--metrics-port", "0"]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        drainer = None
        try:
            for line in process.stderr:
                event = json.loads(line)["event"]
                if event.startswith("metrics on"):
                    break
            drainer = threading.Thread(target=process.stderr.read, daemon=True)
            drainer.start()
            yield int(event.rsplit(":", 1)[1].split("/")[0])
        finally:
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
            if drainer is not None:
                drainer.join()


def wait_until(look, what):
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.25)):
        value = look()
        if value:
            return value
        pause.wait(0.25)
    raise AssertionError(what() if callable(what) else what)


@pytest.fixture
def scraped(tmp_path):
    """A queue, two workers on it, and a Prometheus that scrapes both."""
    with DuckQueue(tmp_path / "jobs.db") as queue, ExitStack() as stack:
        ports = [stack.enter_context(worker(queue.db_path, tmp_path)) for _ in range(2)]
        prometheus = Prometheus(tmp_path, ports)
        stack.callback(prometheus.close)
        yield queue, prometheus


def load(queue):
    """Enqueue a little of everything, and return its ids."""
    ids = queue.enqueue_batch([(tasks.work, (0.002,), None)] * 20)
    ids += queue.enqueue_batch([(tasks.work, (0.01,), None)] * 5, queue="mail")
    ids.append(queue.enqueue(tasks.fail, max_attempts=2, retry_delay=0))
    return ids


@pytest.mark.timeout(400)
def test_it_scrapes_a_working_pool_and_the_counters_are_the_rows(scraped):
    queue, prometheus = scraped
    ids = load(queue)
    ids.append(queue.enqueue(tasks.die, max_attempts=2, retry_delay=0))
    wait_until(lambda: all(queue.get_job(job).completed_at for job in ids), "the jobs did not end")
    os.kill(queue.store.call(GetVitals()).pid, signal.SIGKILL)
    ids = load(queue)
    wait_until(lambda: all(queue.get_job(job).completed_at for job in ids), "the jobs did not end")
    for key, query in COUNTED.items():
        rows = queue.sql(query).fetchone()[0]
        each = f"queuack_jobs_{key}_total"

        def told(each=each):
            by_instance = prometheus.ask(f"sum by (instance) ({each})")
            once = prometheus.ask(f"sum(max by (file, queue, task) ({each}))")
            return [value for _, value in by_instance + once]

        wait_until(lambda: told() == [rows] * 3, lambda: (key, rows, told()))  # noqa: B023
    assert queue.sql(COUNTED["failed"]).fetchone()[0] == 6
    died = prometheus.ask("sum(queuack_children_died_total)")
    assert [value for _, value in died] == [2.0]
    there = {labels["__name__"] for labels, _ in prometheus.ask('{__name__=~"queuack_.+"}')}
    assert {base(name) for name in there} == explained()


@pytest.mark.timeout(400)
def test_every_query_of_the_dashboard_returns_data_and_every_rule_is_evaluated(scraped):
    queue, prometheus = scraped
    left = dict(enumerate(dashboard_queries()))
    assert len(left) > 20

    def answered():
        load(queue)
        for number, (_, query) in list(left.items()):
            found = prometheus.ask(concrete(query))
            if found and not all(math.isnan(value) for _, value in found):
                del left[number]
        return not left

    wait_until(answered, lambda: f"no data for {list(left.values())}")
    health = wait_until(
        lambda: "unknown" not in prometheus.rules().values() and prometheus.rules(), "no rules"
    )
    assert len(health) == 8
    assert set(health.values()) == {"ok"}


@pytest.mark.parametrize("command", [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]])
def test_promtool_passes_the_rules(command):
    done = subprocess.run(
        ["promtool", *command], cwd=PAGES, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stdout + done.stderr


def base(name):
    """Return a metric's name without what a histogram adds to it."""
    return name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")


def explained():
    """Return the metrics that the page tells of."""
    return set(re.findall(r"`(queuack_\w+)`", (PAGES.parent / "observability.md").read_text("utf-8"))) - {
        "queuack_worker"
    }


def test_dashboard_and_rules_name_only_metrics_that_the_page_explains():
    queries = "".join(query for _, query in dashboard_queries())
    rules = (PAGES / "alerts.yml").read_text("utf-8")
    named = {base(name) for name in re.findall(r"queuack_\w+", queries + rules)}
    assert len(named) > 15
    assert named <= explained()
