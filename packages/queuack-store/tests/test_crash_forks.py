"""Every way in which user code forks, with every kind of owner: parents lose nothing, children harm nobody.

Each case is a script of its own that ends by SIGKILL, so that what the child did to the files would show.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from queuack_store import DuckQueue

SCRIPT = """
import concurrent.futures, gc, multiprocessing, os, signal, subprocess, sys
from queuack_store import DuckQueue
from queuack_store.errors import StoreClosedError
from queuack_store.testing.tasks import echo

path, owner, mode = sys.argv[1:]
queue = DuckQueue(":memory:") if owner == "memory" else DuckQueue(path, owner=owner)
queue.enqueue_batch([(echo, (n,)) for n in range(5)])
queue.sql("SELECT 1")  # all is in DuckDB's log
held = queue.claim()
used = 0

def use():
    if owner == "memory":
        try:
            queue.enqueue(echo)
        except StoreClosedError as error:
            assert "stays with the process" in str(error)
            return 0
        raise AssertionError("a queue in memory was used in a child")
    queue.enqueue(echo, ("child",))
    assert queue.claim().id
    return queue.stats()["claimed"]

def forked(child):
    pid = os.fork()
    if pid == 0:
        child()
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code == 0, code

def forget():
    global queue
    del queue
    gc.collect()

if mode == "exit":
    forked(lambda: sys.exit(0))
elif mode == "_exit":
    forked(lambda: os._exit(0))
elif mode == "gc":
    forked(forget)
elif mode == "close":
    forked(lambda: queue.close())
elif mode == "use":
    forked(use)
    used = owner != "memory"
elif mode == "grandchild":
    forked(lambda: forked(use))
    used = owner != "memory"
elif mode == "multiprocessing":
    child = multiprocessing.get_context("fork").Process(target=use)
    child.start()
    child.join()
    assert child.exitcode == 0, child.exitcode
    used = owner != "memory"
elif mode == "pool":
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        pool.submit(use).result()
    used = owner != "memory"
elif mode == "subprocess":
    subprocess.run([sys.executable, "-c", "pass"], check=True)
elif mode == "open_close":
    for name in os.listdir(os.path.dirname(path)):  # of whatever lies there: drops every POSIX lock on it
        if not name.endswith((".sock", ".files")):
            open(os.path.join(os.path.dirname(path), name), "rb").close()

more = queue.enqueue_batch([(echo, (n,)) for n in range(10)])
queue.ack(held, "mine")
assert queue.get_result(held.id) == "mine"
counts = queue.stats()
live = counts["pending"] + counts["claimed"] + counts["delayed"]  # what a child held when it ended is retried
assert (counts["done"], live) == (1, 14 + used), counts
print(*(row[0] for row in queue.sql("SELECT id::VARCHAR FROM jobs").fetchall()), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
MODES = (
    "exit", "_exit", "gc", "close", "use", "grandchild", "multiprocessing", "pool", "subprocess",
    "open_close",
)  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("owner", ["process", "inline", "memory"])
def test_a_fork_costs_the_parent_nothing(tmp_path: Path, owner: str, mode: str) -> None:
    path = tmp_path / "jobs.db"
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SCRIPT, str(path), owner, mode]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    if owner == "memory":
        return
    with DuckQueue(path) as queue:
        found = [row[0] for row in queue.sql("SELECT id::VARCHAR FROM jobs").fetchall()]
        assert sorted(found) == sorted(ended.stdout.split())
        assert queue.stats()["done"] == 1


def test_after_its_file_was_opened_and_closed_the_owner_is_still_the_only_one(tmp_path: Path) -> None:
    """open().close() of the file drops DuckDB's own lock in that process; ours is another file's."""
    path = tmp_path / "jobs.db"
    with DuckQueue(path, owner="inline") as queue:
        queue.enqueue_batch([(len, ("abc",))] * 3)
        queue.sql("SELECT 1")
        for name in ("jobs.db", "jobs.db.wal"):
            with open(tmp_path / name, "rb"):
                pass
        code = (
            "import sys; from queuack_store import DuckQueue\n"
            "with DuckQueue(sys.argv[1], owner='inline') as queue:\n"
            "    print(type(queue.store).__name__, queue.enqueue(len, ('abc',)))"
        )
        other = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=120, check=True
        )
        assert other.stdout.startswith("ClientStore")
        assert queue.stats()["pending"] == 4
    with DuckQueue(path, owner="inline") as queue:
        assert queue.stats()["pending"] == 4
