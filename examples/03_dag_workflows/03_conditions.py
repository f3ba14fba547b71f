"""Whatever answers first, and clean up in any case: `dependency_mode="any"` and `always=True`."""

from queuack import DAG, DuckQueue


def ask_primary() -> str:
    raise ConnectionError("primary is down")


def ask_replica() -> str:
    return "42 rows from the replica"


def report(context) -> str:
    return context.upstream_any()


def clean_up(context) -> str:
    return f"cleaned up after {', '.join(context.get_parent_names())}"


def main() -> None:
    with DuckQueue(":memory:") as queue:
        dag = DAG("two sources", queue)
        dag.add_node(ask_primary, max_attempts=1)
        dag.add_node(ask_replica)
        dag.add_node(report, depends_on=["ask_primary", "ask_replica"], dependency_mode="any")
        dag.add_node(print, name="mail primary", depends_on="ask_primary")
        dag.add_node(clean_up, depends_on=["report", "mail primary"], always=True)
        print("ended well:", dag.execute())  # False: a node failed, even though nobody needed it
        for node in sorted(dag.get_jobs(), key=lambda node: node["name"]):
            print(f"{node['name']}: {node['status'].value}")
        print(dag.results()["report"], "|", dag.results()["clean_up"])


if __name__ == "__main__":
    main()

# Output:
# ended well: False
# ask_primary: failed
# ask_replica: done
# clean_up: done
# mail primary: skipped
# report: done
# 42 rows from the replica | cleaned up after report, mail primary
