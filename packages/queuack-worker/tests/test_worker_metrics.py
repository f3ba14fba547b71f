"""A pool's page for Prometheus and its health: what they say, to whom, and what happens to a port in use."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import observed_jobs as jobs
import psutil
import pytest
import worker_jobs
from prometheus_client.parser import text_string_to_metric_families
from queuack_store import DuckQueue
from queuack_store.errors import OwnerTimeoutError
from queuack_store.observed import Histogram, QueueVitals, Tallied, Vitals
from queuack_store.requests import GetVitals
from queuack_store.testing.contract_observing import COUNTED
from queuack_worker.errors import WorkerStartError
from queuack_worker.health import HUNG_S, Health
from queuack_worker.metrics import JOB_COUNTERS, MAX_QUEUES, OTHER, PoolMetrics
from queuack_worker.monitoring import Monitor
from queuack_worker.serving import Pages, answer_json
from queuack_worker.sight import ChildView, EventCounts, PoolView
from worker_pools import stop

HERE = Path(__file__).parent
PATIENCE_S = 60.0


def get(port, path="/metrics", host=None, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, headers={} if host is None else {"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def samples(text):
    """Return the page's samples: (name, labels without the file) → value."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(sorted(item for item in sample.labels.items() if item[0] != "file"))
            assert (sample.name, labels) not in found, "a sample is there twice"
            found[sample.name, labels] = sample.value
    return found


def summed(found, name):
    return sum(value for (known, _), value in found.items() if known == name)


@contextmanager
def monitored(queue, pool):
    monitor = Monitor(pool.supervisor, queue, "127.0.0.1", 0)
    try:
        yield monitor.port
    finally:
        monitor.close()


def assert_counters_are_the_rows(queue, port):
    found = samples(get(port)[1])
    for key, (name, _) in JOB_COUNTERS.items():
        assert summed(found, f"{name}_total") == queue.sql(COUNTED[key]).fetchone()[0], key
    return found


def test_the_counters_are_the_rows_also_after_owner_and_child_were_killed(shared, pool_of, signals, tmp_path):
    pool = pool_of(2)
    with monitored(shared, pool) as port:
        done = shared.enqueue_batch([(worker_jobs.add, (n, 1), None) for n in range(50)])
        bad = shared.enqueue(worker_jobs.fail, max_attempts=2, retry_delay=0)
        shared.enqueue(worker_jobs.add, args=(1, 2), depends_on=bad)
        until = tmp_path / "go"
        held = shared.enqueue(worker_jobs.hold, args=(signals.address, str(until)), retry_delay=0)
        child = int(signals.wait().split()[0])
        for job in done:
            shared.wait(job, timeout=PATIENCE_S)
        found = assert_counters_are_the_rows(shared, port)
        assert summed(found, "queuack_child_jobs_in_flight") == 1
        os.kill(child, signal.SIGKILL)
        pool.wait_for("child_died")
        signals.wait()  # it runs again, elsewhere
        owner = shared.store.call(GetVitals()).pid
        os.kill(owner, signal.SIGKILL)
        after = shared.enqueue(worker_jobs.add, args=(1, 1))
        assert shared.wait(after, timeout=PATIENCE_S) == 2
        until.touch()
        assert shared.wait(held, timeout=PATIENCE_S) == "held"
        assert shared.store.call(GetVitals()).pid != owner
        found = assert_counters_are_the_rows(shared, port)
        assert summed(found, "queuack_jobs_enqueued_total") == 54
        assert summed(found, "queuack_children_died_total") == 1
        labels = (("queue", "default"), ("task", "worker_jobs:add"))
        assert found["queuack_jobs_succeeded_total", labels] == 51
        before = found
        shared.purge(older_than_hours=0)
        found = samples(get(port)[1])
        for (name, labels), value in before.items():
            if name.endswith("_total") and name.startswith("queuack_jobs"):
                assert found[name, labels] == value, "a purge took something back"


def test_gauges_and_histograms(shared, pool_of):
    shared.pause("held")
    shared.enqueue(worker_jobs.add, args=(1, 1), queue="held")
    pool = pool_of(1)
    pool.wait_for("child_ready")
    with monitored(shared, pool) as port:
        shared.wait(shared.enqueue(jobs.eat, args=(1,)), timeout=PATIENCE_S)
        status, text = get(port)
    assert status == 200
    found = samples(text)
    assert found["queuack_queue_jobs", (("queue", "held"), ("state", "pending"))] == 1
    assert found["queuack_queue_oldest_ready_seconds", (("queue", "held"),)] > 0
    assert found["queuack_queue_oldest_ready_seconds", (("queue", "default"),)] == 0
    assert found["queuack_queue_paused", (("queue", "held"),)] == 1
    assert found["queuack_children", (("state", "ready"),)] == 1
    assert found["queuack_child_resident_memory_bytes", (("child", "1"),)] > 1 << 20
    assert found["queuack_child_cpu_seconds_total", (("child", "1"),)] > 0
    assert found["queuack_owner_resident_memory_bytes", ()] > 1 << 20
    assert found["queuack_owner_up", ()] == found["queuack_pool_running", ()] == 1
    task = (("queue", "default"), ("task", "observed_jobs:eat"))
    assert found["queuack_job_wait_seconds_count", task] == found["queuack_job_run_seconds_count", task] == 1
    assert found["queuack_job_run_seconds_sum", task] >= 0.01
    assert found["queuack_job_run_seconds_bucket", (("le", "0.005"), *task)] == 0
    assert found["queuack_job_run_seconds_bucket", (("le", "+Inf"), *task)] == 1
    assert found["queuack_owner_commit_seconds_count", ()] > 0
    assert found["queuack_owner_commit_requests_sum", ()] > 0


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool: apt-get install prometheus")
def test_promtool_finds_nothing_to_say(shared, pool_of):
    pool = pool_of(1)
    with monitored(shared, pool) as port:
        shared.wait(shared.enqueue(worker_jobs.add, args=(1, 1)), timeout=PATIENCE_S)
        text = get(port)[1]
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, text=True, capture_output=True, timeout=PATIENCE_S
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def vitals(queues=(), tallies=()):
    return Vitals(
        list(tallies), list(queues), Histogram([0] * 12, 0.0), Histogram([0] * 12, 0.0), os.getpid()
    )


def page_of(ask, view=None):
    view = view or PoolView("running", None, 0.0, ())
    return samples(PoolMetrics("q.db", ask, lambda: view, EventCounts()).exposition("")[0].decode())


def test_the_number_of_series_is_bounded():
    queues = [QueueVitals(f"q{n}", False, {"pending": n}, float(n)) for n in range(1, 2 * MAX_QUEUES + 1)]
    found = page_of(lambda: vitals(queues))
    depths = {dict(labels)["queue"]: v for (name, labels), v in found.items() if name == "queuack_queue_jobs"}
    assert len(depths) == MAX_QUEUES + 1
    assert depths[OTHER] == sum(range(1, MAX_QUEUES + 1))
    assert found["queuack_queue_oldest_ready_seconds", (("queue", OTHER),)] == MAX_QUEUES


def test_labels_that_a_user_chose_are_escaped():
    counts, nothing = {"enqueued": 3}, Histogram([0] * 13, 0.0)
    name = 'm:f("\\\n")'
    found = page_of(lambda: vitals(tallies=[Tallied("default", name, counts, nothing, nothing)]))
    assert found["queuack_jobs_enqueued_total", (("queue", "default"), ("task", name))] == 3


def test_an_owner_that_does_not_answer_leaves_what_the_pool_knows():
    def silent():
        raise OwnerTimeoutError("no answer")

    found = page_of(
        silent, PoolView("running", "memory 99% used", 0.0, (ChildView(1, os.getpid(), True, False, 2),))
    )
    assert found["queuack_owner_up", ()] == 0
    assert found["queuack_pool_paused", ()] == 1
    assert found["queuack_child_jobs_in_flight", (("child", "1"),)] == 2
    assert not any(name.startswith("queuack_jobs") for name, _ in found)


def test_a_child_that_is_replaced_is_shown_once():
    gone, new = ChildView(1, 1, True, True, 1), ChildView(1, os.getpid(), True, False, 2)
    found = page_of(vitals, PoolView("running", None, 0.0, (gone, new)))
    assert found["queuack_child_jobs_in_flight", (("child", "1"),)] == 2
    assert found["queuack_children", (("state", "leaving"),)] == 1


def test_health_gives_its_reasons():
    ready = ChildView(1, 1, True, False, 0)

    def asked(view, error=None):
        def reach():
            if error is not None:
                raise error

        health = Health(lambda: view, reach)
        return [(status, json.loads(body)) for status, _, body in (health.livez(), health.readyz())]

    live, well = asked(PoolView("running", None, 0.1, (ready,)))
    assert live == (200, {"alive": True, "reasons": []})
    assert well == (200, {"ready": True, "reasons": []})
    bad = PoolView("running", "disk has 3 MB free, limit 9 MB", HUNG_S + 1, ())
    live, unready = asked(bad, OwnerTimeoutError("no answer within 5 s"))
    assert live[0] == unready[0] == 503
    assert live[1]["reasons"] == ["the supervisor has not gone round for 31 s"]
    assert unready[1]["reasons"] == [
        "no child process is ready",
        "it claims nothing: disk has 3 MB free, limit 9 MB",
        "the queue's owner does not answer: no answer within 5 s",
    ]
    live, draining = asked(PoolView("draining", None, 0.1, (ready,)))
    assert (live[0], draining) == (200, (503, {"ready": False, "reasons": ["it drains"]}))


def test_a_stopped_owner_makes_it_unready_and_it_says_so(shared, pool_of):
    pool = pool_of(1)
    pool.wait_for("child_ready")
    with monitored(shared, pool) as port:
        assert get(port, "/readyz")[0] == 200
        owner = shared.store.call(GetVitals()).pid
        stop(owner)
        try:
            status, text = get(port, "/readyz")
            assert get(port, "/livez")[0] == 200
        finally:
            os.kill(owner, signal.SIGCONT)
        assert status == 503
        (reason,) = json.loads(text)["reasons"]
        assert reason.startswith("the queue's owner does not answer")


class TestServer:
    """What the server answers, and to whom."""

    def test_only_names_of_this_machine_are_served(self):
        pages = Pages({"/metrics": lambda accept: (200, "text/plain", b"fine")}, "127.0.0.1", 0)
        try:
            names = [
                "127.0.0.1",
                "localhost",
                f"localhost:{pages.port}",
                "[::1]:80",
                socket.gethostname(),
                "LOCALHOST.",
            ]
            for name in names:
                assert get(pages.port, host=name) == (200, "fine"), name
            for name in (
                "evil.example",
                "evil.example:9464",
                "127.0.0.1.evil.example",
                "localhost.evil.example",
                "",
            ):
                assert get(pages.port, host=name)[0] == 421, name
        finally:
            pages.close()

    def test_other_paths_methods_and_faults(self, caplog):
        def broken(accept):
            raise ZeroDivisionError("no")

        pages = Pages({"/metrics": broken, "/livez": lambda accept: answer_json(200, {})}, "127.0.0.1", 0)
        try:
            assert get(pages.port, "/metrics")[0] == 500
            assert get(pages.port, "/../etc/passwd")[0] == get(pages.port, "/")[0] == 404
            assert "/livez" in get(pages.port, "/")[1]
            assert get(pages.port, "/livez?verbose")[0] == 200
            assert get(pages.port, "/livez", method="HEAD") == (200, "")
            assert get(pages.port, "/livez", method="POST")[0] == 501
        finally:
            pages.close()
        assert "ZeroDivisionError" in caplog.text

    def test_a_port_in_use_leads_to_the_next(self, caplog):
        first = Pages({}, "127.0.0.1", 0)
        try:
            second = Pages({}, "127.0.0.1", first.port)
            try:
                assert first.port < second.port <= first.port + 9
                assert f"port {first.port} is taken: metrics are served on port {second.port}" in caplog.text
            finally:
                second.close()
        finally:
            first.close()

    def test_with_all_ports_in_use_a_worker_goes_on_without(self, caplog, monkeypatch):
        monkeypatch.setattr("queuack_worker.serving.MORE_PORTS", 0)
        first = Pages({}, "127.0.0.1", 0)
        try:
            second = Pages({}, "127.0.0.1", first.port)
            second.close()
            assert second.port is None
            assert "this worker serves no metrics" in caplog.text
        finally:
            first.close()

    @pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid"])
    def test_an_address_that_is_not_here_is_an_error(self, host):
        with pytest.raises(WorkerStartError, match="--metrics-host"):
            Pages({}, host, 0)


def test_two_commands_on_one_machine_serve_both(tmp_path):
    """The second worker lives, says where its metrics are, and both answer."""
    db = tmp_path / "q.db"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        wanted = probe.getsockname()[1]
    with DuckQueue(db) as queue, running_command(db, wanted) as first, running_command(db, wanted) as second:
        ports = [
            int(wait_for_line(lines, "metrics on")["event"].split(":")[2].split("/")[0])
            for _, lines in (first, second)
        ]
        assert len(set(ports)) == 2
        job = queue.enqueue(worker_jobs.pid)
        child = queue.wait(job, timeout=PATIENCE_S)
        assert psutil.Process(child).ppid() in (first[0].pid, second[0].pid)
        for port in ports:
            wait_until_ready(port)
            assert summed(samples(get(port)[1]), "queuack_jobs_succeeded_total") == 1


def wait_until_ready(port):
    again = threading.Event()
    for _ in range(int(PATIENCE_S / 0.1)):
        status, text = get(port, "/readyz")
        if status == 200:
            return
        again.wait(0.1)
    raise AssertionError(text)


@contextmanager
def running_command(db, port):
    command = [
        sys.executable,
        "-m",
        "queuack_worker.cli",
        str(db),
        "-p",
        "1",
        "--app",
        str(HERE),
        "--metrics-port",
        str(port),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        try:
            yield process, process.stderr
        finally:
            process.terminate()
            process.stderr.read()
            assert process.wait(PATIENCE_S) == 0


def wait_for_line(lines, start):
    for line in lines:
        found = json.loads(line)
        if found["event"].startswith(start):
            return found
    raise AssertionError(f"no line begins with {start!r}")
