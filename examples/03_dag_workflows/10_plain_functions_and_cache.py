"""Calls draw the edges; and what has not changed since the last run is not run again, with the reason why."""

import tempfile

from queuack import DAG, DuckQueue


def build(queue: DuckQueue, bias: int) -> DAG:
    dag = DAG("model", queue)

    @dag.task(cache=True)
    def load() -> list[int]:
        print("  load runs")
        return [3, 1, 2]

    @dag.task(cache=True)
    def fit(rows: list[int], bias: int) -> float:
        print("  fit runs")
        return sum(rows) / len(rows) + bias

    @dag.task(cache=True)
    def report(model: float) -> str:
        return f"the model is {model}"

    report(fit(load(), bias))  # nothing is run here: each call adds a node
    return dag


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, DuckQueue(f"{folder}/jobs.duckdb") as queue:
        for bias in (0, 0, 1):
            dag = build(queue, bias)
            print("plan:", ", ".join(f"{node.name} {node.action}" for node in dag.plan()))
            dag.execute()
            print(dag.results()["report"])


if __name__ == "__main__":
    main()

# Output:
# plan: load runs, fit runs, report runs
#   load runs
#   fit runs
# the model is 2.0
# plan: load cached, fit cached, report cached
# the model is 2.0
# plan: load cached, fit runs, report runs
#   fit runs
# the model is 3.0
