"""Thumbnails with pillow in two worker processes; a picture that is none fails alone."""

import tempfile
import threading
from importlib.resources import files
from pathlib import Path

from PIL import Image
from queuack import DuckQueue, Worker


def thumbnail(path: str, width: int, folder: str) -> tuple[str, tuple[int, int]]:
    with Image.open(path) as picture:
        picture.thumbnail((width, width))
        target = Path(folder, f"{Path(path).stem}-{width}.webp")
        picture.convert("L" if width < 100 else "RGB").save(target)
        return target.name, picture.size


def main() -> None:
    pictures = [str(files("sklearn.datasets.images") / name) for name in ("china.jpg", "flower.jpg")]
    with tempfile.TemporaryDirectory() as folder, DuckQueue(f"{folder}/jobs.duckdb") as queue:
        worker = Worker(queue, processes=2)
        running = threading.Thread(target=worker.run)
        running.start()
        jobs = queue.enqueue_batch(
            [(thumbnail, (path, width, folder)) for path in pictures for width in (320, 160, 64)]
        )
        for name, size in queue.wait_all(jobs, timeout=60):
            print(name, size)
        broken = queue.enqueue(thumbnail, args=(__file__, 64, folder), max_attempts=1)
        last = queue.enqueue(len, args=("ok",), depends_on=broken, dependency_mode="always")
        queue.wait(last, timeout=60)
        print("failed:", queue.list_dead_letters()[0].error.partition(":")[0])
        worker.stop()
        running.join()


if __name__ == "__main__":
    main()

# Output:
# china-320.webp (320, 214)
# china-160.webp (160, 107)
# china-64.webp (64, 43)
# flower-320.webp (320, 214)
# flower-160.webp (160, 107)
# flower-64.webp (64, 43)
# failed: UnidentifiedImageError
