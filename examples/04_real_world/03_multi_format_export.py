"""One extract, five exports at the same time: JSON lines, CSV, Parquet, Arrow, and compressed ones."""

import datetime as dt
import tempfile
from pathlib import Path

from queuack import DAG, DuckQueue, StreamReader, StreamWriter

FORMATS = ["jsonl.zst", "csv.gz", "csv", "parquet", "arrow"]


def orders() -> list[dict]:
    day = dt.date(2026, 1, 1)
    return [
        {
            "id": n,
            "day": day + dt.timedelta(days=n % 365),
            "amount": n * 1.25,
            "note": None if n % 3 else "gift",
        }
        for n in range(5_000)
    ]


def export(suffix: str, folder: str, context) -> str:
    path = f"{folder}/orders.{suffix}"
    StreamWriter(path).write(context.upstream("orders"))
    return path


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, DuckQueue(":memory:") as queue:
        dag = DAG("exports", queue)
        dag.add_node(orders)
        for suffix in FORMATS:
            dag.add_node(export, name=suffix, args=(suffix, folder), depends_on="orders")
        dag.execute()
        sizes = {suffix: Path(dag.results()[suffix]).stat().st_size for suffix in FORMATS}
        print("smallest:", min(sizes, key=sizes.get), "largest:", max(sizes, key=sizes.get))

        kept = StreamReader(f"{folder}/orders.parquet")
        print("parquet keeps dates:", next(iter(kept)))
        types = {"id": int, "day": dt.date, "amount": float, "note": str}
        typed = StreamReader(f"{folder}/orders.csv.gz", schema=types)
        print("csv with a schema:  ", next(iter(typed)))
        same = [row["day"] for row in typed] == [row["day"] for row in kept]
        print("the same days everywhere:", same)


if __name__ == "__main__":
    main()

# Output:
# smallest: … largest: …
# parquet keeps dates: {'id': 0, 'day': datetime.date(2026, 1, 1), 'amount': 0.0, 'note': 'gift'}
# csv with a schema:   {'id': 0, 'day': datetime.date(2026, 1, 1), 'amount': 0.0, 'note': 'gift'}
# the same days everywhere: True
