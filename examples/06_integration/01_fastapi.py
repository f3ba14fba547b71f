"""A FastAPI app that enqueues without blocking its event loop, while a worker process runs the jobs.

    uvicorn --factory 01_fastapi:create_app        # and in another terminal: queuack-worker jobs.duckdb

Run as a script, it starts both, asks the app what a browser would, and stops them.
"""

import os
import subprocess
import tempfile
import threading
import time
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from queuack import DuckQueue, JobError, UnknownJobError, WaitTimeoutError


def summarize(text: str) -> dict[str, int]:
    return {"words": len(text.split()), "characters": len(text)}


@asynccontextmanager
async def lifespan(app: FastAPI):
    with DuckQueue(os.environ.get("QUEUACK_DB", "jobs.duckdb")) as app.state.queue:
        yield


def create_app() -> FastAPI:
    app = FastAPI(lifespan=lifespan)

    @app.post("/summaries", status_code=202)
    async def start(request: Request) -> dict[str, str]:
        text = (await request.body()).decode()
        return {"job": await request.app.state.queue.aenqueue(summarize, (text,))}

    @app.get("/summaries/{job}")
    async def result(job: str, request: Request) -> dict[str, int]:
        try:
            return await request.app.state.queue.await_result(job, timeout=20)
        except WaitTimeoutError:
            raise HTTPException(202, "not yet: ask again") from None
        except UnknownJobError:
            raise HTTPException(404, "no such job") from None
        except JobError as error:
            raise HTTPException(500, error.message) from None

    return app


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        db = os.environ["QUEUACK_DB"] = f"{folder}/jobs.duckdb"
        worker = subprocess.Popen(["queuack-worker", db, "--processes", "1", "--log-level", "error"])
        server = uvicorn.Server(uvicorn.Config(create_app(), port=0, log_level="error"))
        threading.Thread(target=server.run).start()
        while not server.started:
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as browser:
            reply = browser.post("/summaries", content="the quick brown duck")
            print(reply.status_code, browser.get(f"/summaries/{reply.json()['job']}").json())
            unknown = browser.get("/summaries/01890000-0000-7000-8000-000000000000")
            print(unknown.status_code, unknown.json())
        server.should_exit = True
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    main()

# Output:
# 202 {'words': 4, 'characters': 20}
# 404 {'detail': 'no such job'}
