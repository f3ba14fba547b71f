"""A node that chooses which of its children go on, in a run that is given parameters."""

from queuack import DAG, Branch, DuckQueue


def check(amount: int, limit: int = 100):
    return Branch("ask_somebody" if amount > limit else "pay", result=amount)


def pay(context) -> str:
    return f"paid {context.upstream('check')}"


def ask_somebody(context) -> str:
    return f"somebody must look at {context.upstream('check')}"


def archive(context) -> str:
    return f"archived: {context.upstream_any()}"


def main() -> None:
    with DuckQueue(":memory:") as queue:
        for amount in (30, 3_000):
            dag = DAG("invoice", queue)
            dag.add_node(check)
            dag.add_node(pay, depends_on="check")
            dag.add_node(ask_somebody, depends_on="check")
            dag.add_node(archive, depends_on=["pay", "ask_somebody"], dependency_mode="any")
            dag.submit(params={"amount": amount})  # for every function with a parameter of this name
            dag.execute()
            print(dag.results()["archive"])
        skipped = queue.sql("SELECT node_name, skip_reason FROM jobs WHERE status = 'skipped' ORDER BY seq")
        for name, reason in skipped:
            print(f"{name}: {reason}")


if __name__ == "__main__":
    main()

# Output:
# archived: paid 30
# archived: somebody must look at 3000
# ask_somebody: 'check' chose 'pay'
# pay: 'check' chose 'ask_somebody'
