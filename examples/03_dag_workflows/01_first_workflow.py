"""Extract, transform, load: three nodes, each starting when its parents have ended."""

from queuack import DAG, DuckQueue


def extract() -> list[dict]:
    return [{"city": "Oslo", "celsius": 7}, {"city": "Rome", "celsius": 18}, {"city": "Bergen", "celsius": 6}]


def transform(context) -> list[dict]:
    return [{**row, "fahrenheit": row["celsius"] * 9 / 5 + 32} for row in context.upstream("extract")]


def load(context) -> str:
    rows = context.upstream("transform")
    return f"{len(rows)} rows, warmest {max(rows, key=lambda row: row['celsius'])['city']}"


def main() -> None:
    with DuckQueue(":memory:") as queue:
        dag = DAG("weather", queue)
        dag.add_node(extract)
        dag.add_node(transform, depends_on="extract")
        dag.add_node(load, depends_on="transform")
        print("order:", dag.get_execution_order())
        print("ended well:", dag.execute())
        print("result:", dag.results()["load"])


if __name__ == "__main__":
    main()

# Output:
# order: [['extract'], ['transform'], ['load']]
# ended well: True
# result: 3 rows, warmest Rome
