"""Score a file of any size in constant memory: record batches stream in, predictions stream out."""

import pickle
import tempfile
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from queuack import DAG, DuckQueue, StreamReader, TaskContext, generator_task
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

ROWS = 200_000
IRIS = load_iris()


@generator_task(format="parquet")
def measurements(rows: int) -> Iterator[dict]:
    """Flowers as they come in from a sensor: the 150 real ones, again and again."""
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    for n, flower in enumerate(islice(cycle(IRIS.data.tolist()), rows)):
        yield {"id": n, **dict(zip(names, flower, strict=True))}


def train(folder: str) -> str:
    path = Path(folder, "model.pickle")
    path.write_bytes(pickle.dumps(LogisticRegression(max_iter=1_000).fit(IRIS.data, IRIS.target)))
    return str(path)


@generator_task(format="parquet")
def score(context: TaskContext) -> Iterator[dict]:
    model = pickle.loads(Path(context.upstream("train")).read_bytes())
    for batch in StreamReader(context.upstream("measurements")).batches(50_000):
        columns = [batch.column(name).to_numpy() for name in batch.schema.names[1:]]
        for n, kind in zip(batch.column("id").to_pylist(), model.predict(np.stack(columns, 1)), strict=True):
            yield {"id": n, "kind": str(IRIS.target_names[kind])}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, DuckQueue(f"{folder}/jobs.duckdb") as queue:
        dag = DAG("score", queue)
        dag.add_node(measurements, args=(ROWS,))
        dag.add_node(train, args=(folder,))
        dag.add_node(score, depends_on=["measurements", "train"])
        print("ended well:", dag.execute())
        scored = StreamReader(dag.results()["score"])
        print(f"{len(scored):,} rows")
        for kind, count in scored.sql("SELECT kind, count(*) FROM stream GROUP BY 1 ORDER BY 1").fetchall():
            print(f"{kind}: {count / len(scored):.0%}")


if __name__ == "__main__":
    main()

# Output:
# ended well: True
# 200,000 rows
# setosa: 33%
# versicolor: 32%
# virginica: 35%
