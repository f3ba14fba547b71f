"""A Flask app that enqueues and answers at once; a worker process does the work.

flask --app 02_flask run           # and in another terminal: queuack-worker jobs.duckdb
"""

import os
import subprocess
import tempfile

from flask import Flask, jsonify, request
from queuack import DuckQueue, get_default_queue


def reverse(text: str) -> str:
    return text[::-1]


def queue() -> DuckQueue:
    # One handle per process, opened at the first request: each forked server worker gets its own.
    return get_default_queue(os.environ.get("QUEUACK_DB", "jobs.duckdb"))


app = Flask(__name__)


@app.post("/jobs")
def start():
    job = queue().enqueue(reverse, args=(request.get_data(as_text=True),))
    return jsonify(job=job), 202


@app.get("/jobs/<job>")
def status(job: str):
    found = queue().get_job(job)
    if found is None:
        return jsonify(error="no such job"), 404
    result = queue().get_result(job) if found.status == "done" else None
    return jsonify(status=found.status.value, result=result)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        db = os.environ["QUEUACK_DB"] = f"{folder}/jobs.duckdb"
        worker = subprocess.Popen(["queuack-worker", db, "--processes", "1", "--log-level", "error"])
        browser = app.test_client()
        reply = browser.post("/jobs", data="stressed")
        print(reply.status_code)
        queue().wait(reply.json["job"], timeout=60)
        print(browser.get(f"/jobs/{reply.json['job']}").json)
        worker.terminate()
        worker.wait()
        queue().close()


if __name__ == "__main__":
    main()

# Output:
# 202
# {'result': 'desserts', 'status': 'done'}
