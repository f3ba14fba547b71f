"""A run as a Mermaid drawing in colours of your own; as .html it opens in a browser, without a network."""

import tempfile
from pathlib import Path

from queuack import DAG, DuckQueue, MermaidColorScheme


def step() -> None:
    pass


def fails() -> None:
    raise ValueError("no")


def main() -> None:
    colours = MermaidColorScheme(done="#0a7f5a", failed="#b00020 #ffffff #5c0011", skipped="#eeeeee")
    with tempfile.TemporaryDirectory() as folder, DuckQueue(":memory:") as queue:
        dag = DAG("release", queue)
        dag.add_node(step, name="build")
        dag.add_node(fails, name="test", depends_on="build", max_attempts=1)
        dag.add_node(step, name="docs", depends_on="build")
        dag.add_node(step, name="publish", depends_on=["test", "docs"])
        dag.execute()
        text = dag.export_mermaid(colours, path=f"{folder}/release.html")
        print("\n".join(line.strip() for line in text.splitlines() if line.strip().startswith("classDef")))
        page = Path(folder, "release.html").read_text()
        print("a page of its own:", "<html" in page, "fetches something:", 'src="http' in page)


if __name__ == "__main__":
    main()

# Output:
# …
# classDef done fill:#0a7f5a,color:#ffffff,…
# classDef failed fill:#b00020,color:#ffffff,stroke:#5c0011,…
# …
# a page of its own: True fetches something: False
