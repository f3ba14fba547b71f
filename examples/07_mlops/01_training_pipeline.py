"""A training pipeline on real data: load, split, train three models at once, keep the best.

Models and data are files; what travels through the queue are their paths and a few figures.
"""

import pickle
import tempfile
from pathlib import Path

from queuack import DAG, DuckQueue, TaskContext
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

MODELS = {
    "logistic": LogisticRegression(max_iter=1_000),
    "neighbours": KNeighborsClassifier(n_neighbors=5),
    "tree": DecisionTreeClassifier(max_depth=4, random_state=0),
}


def split(folder: str) -> str:
    data = load_breast_cancer()
    parts = train_test_split(data.data, data.target, test_size=0.3, random_state=0, stratify=data.target)
    path = Path(folder, "split.pickle")
    path.write_bytes(pickle.dumps(parts))
    return str(path)


def train(name: str, folder: str, context: TaskContext) -> dict:
    x_train, x_test, y_train, y_test = pickle.loads(Path(context.upstream("split")).read_bytes())
    model = make_pipeline(StandardScaler(), MODELS[name]).fit(x_train, y_train)
    path = Path(folder, f"{name}.pickle")
    path.write_bytes(pickle.dumps(model))
    return {"name": name, "accuracy": model.score(x_test, y_test), "path": str(path)}


def keep_best(folder: str, context: TaskContext) -> str:
    best = max(context.upstream_completed().values(), key=lambda trained: trained["accuracy"])
    Path(best["path"]).rename(Path(folder, "best.pickle"))
    return best["name"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, DuckQueue(f"{folder}/jobs.duckdb") as queue:
        dag = DAG("train", queue, timeout_per_task=600)
        dag.add_node(split, args=(folder,))
        for name in MODELS:
            dag.add_node(train, name=name, args=(name, folder), depends_on="split")
        # "any" would take the first; "always" bears that a model fails, as long as one is left.
        dag.add_node(keep_best, args=(folder,), depends_on=list(MODELS), dependency_mode="always")
        print("ended well:", dag.execute())
        results = dag.results()
        for name in MODELS:
            print(f"{name}: {results[name]['accuracy']:.2f}")
        print("best:", results["keep_best"])
        model = pickle.loads(Path(folder, "best.pickle").read_bytes())
        print("it predicts:", model.predict(load_breast_cancer().data[:3]))


if __name__ == "__main__":
    main()

# Output:
# ended well: True
# logistic: 0.9…
# neighbours: 0.9…
# tree: 0.9…
# best: logistic
# it predicts: [0 0 0]
