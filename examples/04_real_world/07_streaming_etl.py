"""A million records through three steps in constant memory: generate, filter, aggregate.

Each step is a node that hands the next a path, so that no row ever lies in the queue, and no step holds more
than a buffer of them. `--rows` sets how many there are.
"""

import argparse
import resource
import tempfile
from collections.abc import Iterator

from queuack import DAG, DuckQueue, StreamReader, generator_task

SENSORS = 50


@generator_task(format="parquet")
def readings(rows: int) -> Iterator[dict]:
    for n in range(rows):
        yield {"sensor": n % SENSORS, "at": n, "value": (n * 7919 % 1000) / 10, "ok": n % 100 != 0}


@generator_task(format="parquet")
def clean(context) -> Iterator[dict]:
    """Drop what is broken, before Python sees it: Parquet filters while it reads."""
    for row in StreamReader(context.upstream("readings")).where("ok", "==", True):
        row["level"] = "high" if row["value"] > 90 else "normal"
        yield row


def aggregate(context) -> list[tuple]:
    query = """
        SELECT level, count(*), count(DISTINCT sensor), round(avg(value), 2) FROM stream GROUP BY 1 ORDER BY 1
    """
    return StreamReader(context.upstream("clean")).sql(query).fetchall()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    rows = options.parse_args().rows
    with tempfile.TemporaryDirectory() as folder, DuckQueue(f"{folder}/jobs.duckdb") as queue:
        dag = DAG("sensors", queue)
        dag.add_node(readings, args=(rows,))
        dag.add_node(clean, depends_on="readings")
        dag.add_node(aggregate, depends_on="clean")
        before = peak_mb()
        print("ended well:", dag.execute())
        results = dag.results()
        print(f"{len(StreamReader(results['readings'])):,} in, {len(StreamReader(results['clean'])):,} out")
        for level, count, sensors, mean in results["aggregate"]:
            print(f"{level}: {count:,} of {sensors} sensors, mean {mean}")
        print("memory grew by less than 500 MB:", peak_mb() - before < 500)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # of this process, on Linux


if __name__ == "__main__":
    main()

# Output:
# ended well: True
# 1,000,000 in, 990,000 out
# high: 99,000 of 50 sensors, mean 95.0
# normal: 891,000 of 50 sensors, mean 45.0
# memory grew by less than 500 MB: True
