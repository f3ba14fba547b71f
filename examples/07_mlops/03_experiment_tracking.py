"""Experiments in the queue's own file: a table of yours beside the jobs, and one SQL query over both.

Tables of your own are made while the queue is closed; `queue.sql()` then joins them with every run there was.
"""

import tempfile

import duckdb
from queuack import DuckQueue
from sklearn.datasets import load_wine
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

QUESTION = """
    SELECT e.name, e.neighbours, round(a.duration_seconds, 1) < 60 AS quick, j.status
    FROM experiments e JOIN jobs j ON list_contains(j.tags, e.name) JOIN job_attempts a ON a.job_id = j.id
    ORDER BY e.name
"""
EXPERIMENTS = [("coarse", 25), ("fine", 1), ("middle", 9)]


def score(neighbours: int) -> float:
    data = load_wine()
    points = StandardScaler().fit_transform(data.data)
    return float(cross_val_score(KNeighborsClassifier(neighbours), points, data.target, cv=5).mean())


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/lab.duckdb"
        with DuckQueue(path):
            pass  # makes the file
        with duckdb.connect(path) as file:  # nobody else has it open now
            file.execute("CREATE TABLE experiments (name VARCHAR, neighbours INTEGER)")
            file.executemany("INSERT INTO experiments VALUES (?, ?)", EXPERIMENTS)

        with DuckQueue(path, workers_num=2) as queue:
            planned = queue.sql("SELECT name, neighbours FROM experiments").fetchall()
            jobs = {name: queue.enqueue(score, args=(k,), tags=[name]) for name, k in planned}
            scores = {name: queue.wait(job, timeout=120) for name, job in jobs.items()}
            for row in queue.sql(QUESTION):
                print(*row, f"{scores[row[0]]:.3f}")
            print("best:", max(scores, key=scores.get))


if __name__ == "__main__":
    main()

# Output:
# coarse 25 True done 0.966
# fine 1 True done 0.950
# middle 9 True done 0.950
# best: coarse
