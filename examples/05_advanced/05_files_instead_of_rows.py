"""Large results go by path: a pipeline of streaming tasks, each taking and returning files."""

import tempfile

from queuack import DAG, DuckQueue, StreamReader, StreamWriter, async_generator_task, streaming_task


@async_generator_task(format="jsonl", compression="zstd")
async def fetch(pages: int):
    for page in range(pages):  # an async client would await here
        yield {"page": page, "words": page * 3}


@streaming_task
def split(context) -> dict[str, str]:
    source = context.upstream("fetch")
    targets = {"odd": f"{source}.odd.parquet", "even": f"{source}.even.parquet"}
    for n, target in enumerate(targets.values()):
        wanted = 1 - n
        StreamWriter(target).write(row for row in StreamReader(source) if row["page"] % 2 == wanted)
    return targets


def count(which: str, context) -> int:
    return sum(row["words"] for row in StreamReader(context.upstream("split")[which]))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, DuckQueue(f"{folder}/jobs.duckdb") as queue:
        dag = DAG("pages", queue)
        dag.add_node(fetch, args=(100,))
        dag.add_node(split, depends_on="fetch")
        for which in ("odd", "even"):
            dag.add_node(count, name=which, args=(which,), depends_on="split")
        print("ended well:", dag.execute())
        results = dag.results()
        print("odd:", results["odd"], "even:", results["even"])
        print("beside the queue's file:", results["fetch"].startswith(folder))


if __name__ == "__main__":
    main()

# Output:
# ended well: True
# odd: 7500 even: 7350
# beside the queue's file: True
