"""Call a (local) web API from async jobs: many at once; errors of the server are retried by the queue."""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import httpx
from queuack import DuckQueue, retry_rules


@retry_rules(no_retry_on=LookupError)
async def fetch_user(base: str, number: int) -> str:
    async with httpx.AsyncClient(base_url=base, timeout=10) as client:
        reply = await client.get(f"/users/{number}")
        if reply.status_code == 404:
            raise LookupError(f"there is no user {number}")  # another attempt can't help
        reply.raise_for_status()  # 503: try again later
        return reply.json()["name"]


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), FlakyApi)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    with DuckQueue(":memory:", workers_num=1) as queue:
        jobs = queue.enqueue_batch([(fetch_user, (base, n)) for n in range(30)], retry_delay=0.05)
        missing = queue.enqueue(fetch_user, args=(base, 99))
        names = queue.wait_all(jobs, timeout=60)
        print(names[0], "…", names[-1])
        attempts = Counter(row[0] for row in queue.sql("SELECT attempts FROM jobs WHERE status = 'done'"))
        print("attempts:", dict(sorted(attempts.items())))
        last = queue.enqueue(
            print, args=("and one that nobody has:",), depends_on=missing, dependency_mode="always"
        )
        queue.wait(last, timeout=60)
        print(queue.get_job(missing).error)
    server.shutdown()


class FlakyApi(BaseHTTPRequestHandler):
    """Knows users 0 to 29, and is busy at every third of them the first time."""

    seen: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        number = int(self.path.rpartition("/")[2])
        self.seen[self.path] += 1
        status = 404 if number >= 30 else 503 if number % 3 == 0 and self.seen[self.path] == 1 else 200
        body = json.dumps({"name": f"user {number}"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


if __name__ == "__main__":
    main()

# Output:
# user 0 … user 29
# attempts: {1: 20, 2: 10}
# and one that nobody has:
# LookupError: there is no user 99
