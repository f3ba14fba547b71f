"""A workflow inside a workflow: the same sub-DAG twice, its last nodes' results as its own."""

from queuack import DAG, DAGRun, DuckQueue


def read(region: str) -> list[int]:
    return {"north": [3, 4], "south": [10, 20, 30]}[region]


def total(context) -> int:
    return sum(context.upstream("read"))


def region(name: str) -> DAG:
    dag = DAG(name)
    dag.add_node(read, args=(name,))
    dag.add_node(total, depends_on="read")
    return dag


def compare(context) -> str:
    totals = {name: results["total"] for name, results in context.upstream_all().items()}
    return f"{max(totals, key=totals.get)} leads, {totals}"


def main() -> None:
    with DuckQueue(":memory:") as queue:
        dag = DAG("regions", queue)
        for name in ("north", "south"):
            dag.add_subdag(region(name), name=name)
        dag.add_node(compare, depends_on=["north", "south"])
        dag.execute()
        print(dag.results()["compare"])
        for child in DAGRun(queue, dag.dag_run_id).get_subdags():
            print(f"{child.name}: {child.get_status().value}, {len(child.get_jobs())} nodes")


if __name__ == "__main__":
    main()

# Output:
# south leads, {'north': 7, 'south': 60}
# north: done, 2 nodes
# south: done, 2 nodes
