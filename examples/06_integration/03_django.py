"""A Django site whose view enqueues a job, and the job writes to Django's own database.

    python 03_django.py runserver      # and in another terminal, here: queuack-worker jobs.duckdb

Without arguments it shows itself. Settings, views and the job are in django_site.py.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def show() -> None:
    import django_site
    from django.db import connection
    from django.test import Client
    from queuack import get_default_queue

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE mails (text TEXT)")
    here = str(Path(__file__).parent)
    command = ["queuack-worker", django_site.QUEUE, "--processes", "1", "--app", here, "--log-level", "error"]
    worker = subprocess.Popen(command)
    browser = Client()
    jobs = [browser.get(f"/register?name={name}").json()["job"] for name in ("ann", "bob")]
    queue = get_default_queue(django_site.QUEUE)
    print("registered:", *queue.wait_all(jobs, timeout=60))
    print(browser.get("/mails").content.decode())
    worker.terminate()
    print("worker drained:", worker.wait() == 0)
    queue.close()
    connection.close()


def manage() -> None:
    import django_site  # noqa: F401 - configures Django
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    if sys.argv[1:]:
        manage()
    else:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["SITE_FOLDER"] = folder
            show()

# Output:
# registered: ann bob
# welcome, ann!, welcome, bob!
# worker drained: True
