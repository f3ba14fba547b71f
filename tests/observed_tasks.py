"""What the workers of test_prometheus.py run."""

import os
import signal
import time


def work(seconds):
    time.sleep(seconds)


def fail():
    raise ValueError("as it is meant to")


def die():
    os.kill(os.getpid(), signal.SIGKILL)
