"""A hyperparameter search on real data in two processes; the results are compared with `queue.sql()`.

Each fit logs its parameters and its score as JSON. The lines stay with the attempt, so that the comparison,
and every later one, is a query over the queue's file.
"""

import json
import tempfile
import threading
from itertools import product

from queuack import DuckQueue, TaskContext, Worker
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

GRID = [{"C": c, "gamma": gamma} for c, gamma in product((0.1, 1.0, 10.0), (0.0001, 0.001, 0.01))]
BEST = """
    WITH fits AS (
        SELECT job_id, json(message) AS fit FROM job_logs
    )
    SELECT (fit ->> 'C')::DOUBLE AS C, (fit ->> 'gamma')::DOUBLE AS gamma, (fit ->> 'score')::DOUBLE AS score,
        sum(a.duration_seconds) AS seconds
    FROM fits JOIN job_attempts a USING (job_id) GROUP BY ALL ORDER BY score DESC
"""


def evaluate(params: dict, context: TaskContext) -> float:
    digits = load_digits()
    score = cross_val_score(SVC(**params), digits.data[:600], digits.target[:600], cv=3).mean()
    context.log(json.dumps({**params, "score": round(float(score), 4)}))
    return float(score)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, DuckQueue(f"{folder}/search.duckdb") as queue:
        worker = Worker(queue, processes=2)
        running = threading.Thread(target=worker.run)
        running.start()
        jobs = queue.enqueue_batch([(evaluate, (params,)) for params in GRID], tags=["svc"])
        scores = queue.wait_all(jobs, timeout=120)
        worker.stop()
        running.join()

        ranking = queue.sql(BEST).fetchall()
        print(len(ranking), "fits")
        for c, gamma, score, _seconds in ranking[:3]:
            print(f"C={c:<5} gamma={gamma:<7} score={score:.2f}")
        print("the same best as the results say:", ranking[0][2] == round(max(scores), 4))


if __name__ == "__main__":
    main()

# Output:
# 9 fits
# C=10.0  gamma=0.0001  score=0.9…
# …
# the same best as the results say: True
