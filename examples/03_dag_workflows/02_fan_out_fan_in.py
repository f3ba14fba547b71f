"""A node for each file of a real source tree, then one that adds up: the words of Python's json package."""

import collections
import json
import re
from pathlib import Path

from queuack import DuckQueue


def count_words(path: str) -> dict[str, int]:
    return collections.Counter(re.findall(r"[a-z]{3,}", Path(path).read_text().lower()))


def add_up(context) -> list[str]:
    total: collections.Counter[str] = collections.Counter()
    for counts in context.upstream_all().values():
        total.update(counts)
    return [word for word, _ in total.most_common(2)]


def main() -> None:
    files = sorted(Path(json.__file__).parent.glob("*.py"))
    with DuckQueue(":memory:") as queue, queue.dag("count words") as dag:
        for file in files:
            dag.add_node(count_words, name=file.name, args=(str(file),))
        dag.add_node(add_up, depends_on=[file.name for file in files])
        print("files:", *(file.name for file in files))
        print("ended well:", dag.execute())
        print("most common:", *dag.results()["add_up"])


if __name__ == "__main__":
    main()

# Output:
# files: __init__.py …decoder.py encoder.py scanner.py tool.py
# ended well: True
# most common: json …
