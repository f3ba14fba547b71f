"""The async twins where they are used: under asyncio with cancellation, and in a FastAPI application."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from queuack_store import DuckQueue, JobFailedError
from queuack_store.testing.tasks import LONG_S, echo, finish, until_ready


@pytest.fixture(params=["inline", "process"])
def queue(request, tmp_path):
    with DuckQueue(tmp_path / "jobs.db", owner=request.param) as queue:
        yield queue


def application(queue: DuckQueue) -> FastAPI:
    """A web application that enqueues and waits, and never blocks its loop."""
    app = FastAPI()

    @app.post("/jobs")
    async def make(text: str) -> dict[str, str]:
        return {"id": await queue.aenqueue(echo, (text,), max_attempts=1)}

    @app.get("/jobs/{job_id}")
    async def show(job_id: str) -> dict[str, str]:
        try:
            return {"result": await queue.await_result(job_id, timeout=LONG_S)}
        except JobFailedError as error:
            raise HTTPException(500, str(error)) from error
        except ValueError as error:
            raise HTTPException(404, str(error)) from error

    return app


def test_a_fastapi_application_enqueues_and_waits(queue):
    async def use() -> None:
        transport = httpx.ASGITransport(application(queue))
        async with httpx.AsyncClient(transport=transport, base_url="http://queue") as web:
            made = await asyncio.gather(*(web.post("/jobs", params={"text": str(i)}) for i in range(20)))
            ids = [answer.json()["id"] for answer in made]
            shown = [asyncio.create_task(web.get(f"/jobs/{job_id}")) for job_id in ids]
            for _ in ids:  # the worker, in a thread: all requests wait meanwhile, on one loop
                await asyncio.to_thread(finish, queue)
            answers = await asyncio.gather(*shown)
            assert [answer.json()["result"] for answer in answers] == [str(i) for i in range(20)]
            failing = (await web.post("/jobs", params={"text": "bad"})).json()["id"]
            waiting = asyncio.create_task(web.get(f"/jobs/{failing}"))
            await asyncio.to_thread(lambda: queue.ack(queue.claim(), error="no luck"))
            answer = await waiting
            assert answer.status_code == 500
            assert "no luck" in answer.json()["detail"]
            assert (await web.get("/jobs/nonsense")).status_code == 404

    asyncio.run(use())
    assert queue.stats()["done"] == 20


def test_a_cancelled_wait_costs_the_others_nothing(queue):
    async def use() -> None:
        job_id = await queue.aenqueue(echo, ("x",))
        tasks = [asyncio.create_task(queue.await_result(job_id)) for _ in range(10)]
        await asyncio.sleep(0)
        for task in tasks[:9]:
            task.cancel()
        ended = await asyncio.gather(*tasks[:9], return_exceptions=True)
        assert all(isinstance(error, asyncio.CancelledError) for error in ended)
        await asyncio.to_thread(finish, queue)
        assert await tasks[9] == "x"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await queue.await_result(await queue.aenqueue(echo, ("later",)))
        await asyncio.to_thread(finish, queue)

    asyncio.run(use())
    assert queue.stats()["done"] == 2


def test_an_enqueue_that_is_cancelled_stores_its_job_once_or_not_at_all(queue):
    async def use() -> None:
        tasks = [asyncio.create_task(queue.aenqueue(echo, (i,))) for i in range(50)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(use())
    stored = [job.execute() for job in queue.claim_batch(100)]
    assert set(range(1, 50, 2)) <= set(stored)
    assert len(stored) == len(set(stored)) <= 50


def test_the_loop_goes_on_while_a_batch_is_stored(queue):
    async def use() -> None:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        ids = await queue.aenqueue_batch([(echo, (i,)) for i in range(2_000)])
        ticking.cancel()
        assert len(ids) == 2_000
        assert ticks > 1

    asyncio.run(use())
    assert until_ready(queue)
