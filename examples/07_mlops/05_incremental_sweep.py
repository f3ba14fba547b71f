"""A sweep of 500 fits that learns: resumed after a failure, widened without fitting anything twice, compared.

`cache=True` on a map counts for each of its items: a fit whose code and settings are known is not run again.
"""

import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np
from queuack import DAG, DuckQueue
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC


def grid(steps: int) -> list[dict]:
    """Every C with every gamma, on the data as measured and on the same data scaled."""
    strengths, gammas = np.logspace(-2, 2, 10), np.logspace(-5, 0, 25)
    return [
        {"data": data, "C": float(c), "gamma": float(gamma)}
        for data in ("measured", "scaled")
        for c in strengths[:steps]
        for gamma in gammas
    ]


@cache
def halves(path: str) -> tuple:
    with np.load(path) as data:
        return train_test_split(data["x"], data["y"], test_size=0.4, random_state=0, stratify=data["y"])


def fit(setting: dict, folder: str) -> dict:
    x_train, x_test, y_train, y_test = halves(f"{folder}/{setting['data']}.npz")
    model = SVC(C=setting["C"], gamma=setting["gamma"]).fit(x_train, y_train)
    return {**setting, "accuracy": model.score(x_test, y_test), "at": time.time()}


def best(fits: list[dict]) -> dict:
    return max(fits, key=lambda fitted: fitted["accuracy"])


def sweep(queue: DuckQueue, folder: str) -> DAG:
    dag = DAG("sweep", queue, max_retries=0)
    dag.add_node(grid, cache=True)
    dag.map(fit, over="grid", args=(folder,), cache=True)
    dag.add_node(best, args=(dag.output_of("fit"),))
    return dag


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, DuckQueue(f"{folder}/jobs.duckdb") as queue:
        x, y = load_breast_cancer(return_X_y=True)
        np.savez(Path(folder, "measured.npz"), x=x, y=y)

        first = sweep(queue, folder)
        first.submit(params={"steps": 8})
        print("400 fits, ended well:", first.execute())
        print("why not:", first["fit"].skip_reason)
        print("fits:", {status: n for status, n in first.run.get_items("fit").progress.items() if n})

        np.savez(Path(folder, "scaled.npz"), x=StandardScaler().fit_transform(x), y=y)  # what was missing
        first.resume()  # what is fitted stays fitted
        print("resumed, ended well:", first.execute())

        for node in sweep(queue, folder).plan(params={"steps": 8}):
            print(f"  again: {node.name:4} {node.action:6} {node.why}")

        began, second = time.time(), sweep(queue, folder)
        second.submit(params={"steps": 10})
        print("500 fits, ended well:", second.execute())
        print("of these not fitted again:", sum(one["at"] < began for one in second["fit"].result()))
        winner = second.results()["best"]
        print(f"best: {winner['data']} data, C={winner['C']:.2f}, accuracy {winner['accuracy']:.3f}")
        print(second.run.diff(first.run))


if __name__ == "__main__":
    main()

# Output:
# 400 fits, ended well: False
# why not: parent 'fit[…]' failed
# fits: {'done': 200, 'failed': 200}
# resumed, ended well: True
#   again: grid cached nothing that it depends on has changed
#   again: fit  cached all of its 400 jobs are known
#   again: best runs   it is not cached: cache=True makes it so
# 500 fits, ended well: True
# of these not fitted again: 400
# best: scaled data, C=…, accuracy 0.9…
# total: … s → … s
# parameter 'steps': 8 → 10
# …
#   … s  fit: ran … s instead of … s…
# …
