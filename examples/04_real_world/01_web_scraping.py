"""Scrape a shop (a local one): a job per page, three pages at once, every page once however it is linked."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urljoin
from urllib.request import urlopen

from bs4 import BeautifulSoup
from queuack import DuckQueue

DUCKS = ["mallard", "pintail", "teal", "eider", "gadwall", "wigeon"]


def scrape(url: str) -> dict:
    """Return what one page sells, and where it leads."""
    with urlopen(url, timeout=10) as reply:
        page = BeautifulSoup(reply.read(), "html.parser")
    items = [(tag["data-name"], float(tag.text)) for tag in page.select(".price")]
    return {"items": items, "links": [urljoin(url, a["href"]) for a in page.select("a[href]")]}


def crawl(queue: DuckQueue, start: str) -> list[tuple[str, float]]:
    found, seen, level = [], {start}, [start]
    while level:
        pages = queue.wait_all([queue.enqueue(scrape, args=(url,)) for url in level], timeout=60)
        found += [item for page in pages for item in page["items"]]
        links = {link for page in pages for link in page["links"]}
        level = sorted(links - seen)
        seen |= links
    print(len(seen), "pages")
    return found


def main() -> None:
    with TemporaryDirectory() as folder, local_shop(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with DuckQueue(":memory:", workers_num=3) as queue:
            items = crawl(queue, f"http://127.0.0.1:{server.server_port}/index.html")
        server.shutdown()
    print(len(items), "items; the cheapest:", *min(items, key=lambda item: item[1]))


def local_shop(folder: str) -> ThreadingHTTPServer:
    """A shop of seven pages, each linked from its neighbours and from the index."""
    links = "".join(f'<a href="{name}.html">{name}</a>' for name in DUCKS)
    Path(folder, "index.html").write_text(f"<h1>Ducks</h1>{links}")
    for price, (name, following) in enumerate(zip(DUCKS, DUCKS[1:] + DUCKS[:1], strict=True), 7):
        tag = f'<b class="price" data-name="{name}">{price}.50</b>'
        Path(folder, f"{name}.html").write_text(
            f'{tag}<a href="index.html">up</a><a href="{following}.html">next</a>'
        )

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))


if __name__ == "__main__":
    main()

# Output:
# 7 pages
# 6 items; the cheapest: mallard 7.5
