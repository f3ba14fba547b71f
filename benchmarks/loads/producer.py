"""One of the benchmark's producer processes: `python -m benchmarks.loads.producer FILE COUNT`."""

from __future__ import annotations

import sys
import time

from queuack_store import DuckQueue

from benchmarks.loads.enqueueing import one_by_one

if __name__ == "__main__":
    with DuckQueue(sys.argv[1]) as queue:
        one_by_one(queue, 20)
        print("ready", flush=True)
        sys.stdin.readline()
        began, used = time.monotonic(), time.process_time()
        one_by_one(queue, int(sys.argv[2]))
        print(began, time.monotonic(), time.process_time() - used)
