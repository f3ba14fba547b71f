"""What a DAG consists of while it is being described: named nodes, each added behind its parents."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from queuack_store import ids
from queuack_store.errors import InvalidRequestError
from queuack_store.views import Job

from queuack_dag import graph
from queuack_dag.errors import DAGValidationError
from queuack_dag.node import Node
from queuack_dag.outputs import Output

DependsOn = str | Job | Output | Iterable[str | Job | Output] | None


class Blueprint:
    """The nodes of one DAG, by name, in the order they were added.

    Args:
        name: the DAG's. description: for people.
        fail_fast: True raises what is wrong with a node when it is added; False warns, and what is
            still wrong is raised when the DAG is validated or submitted.
    """

    def __init__(self, name: str, description: str | None = None, fail_fast: bool = True) -> None:
        if not isinstance(name, str) or not name:
            raise InvalidRequestError(f"a DAG needs a name, not {name!r:.200}")
        self.name = name
        self.description = description
        self.fail_fast = fail_fast
        self.nodes: dict[str, Node] = {}
        self._names: dict[bytes, str] = {}
        self._duplicates: list[str] = []
        self._doubtful = False  # something was let pass: look at the whole graph before it is used
        self.used = False  # it stands behind a node of another DAG

    def add(self, node: Node) -> None:
        """Take in a node.

        Raises:
            DAGValidationError: its name is taken, and `fail_fast`.
        """
        if node.name in self.nodes:
            self._object(
                f"DAG {self.name!r} has a node {node.name!r} already: names must differ", [node.name]
            )
            self._duplicates.append(node.name)
            return
        self.nodes[node.name] = node
        self._names[node.id] = node.name

    def free_name(self, wanted: str) -> str:
        """Return `wanted`, or with the first number behind it that makes it a new name."""
        name, number = wanted, 1
        while name in self.nodes:
            number += 1
            name = f"{wanted}_{number}"
        return name

    def resolve(self, name: str, depends_on: DependsOn | Iterable[str | bytes]) -> tuple[str | bytes, ...]:
        """Return the parents of a node that is to be called `name`: names, and ids of jobs outside.

        Raises:
            DAGValidationError: a name that no node bears (yet), and `fail_fast`.
            InvalidRequestError: something that is neither a name nor an id.
        """
        if depends_on is None:
            return ()
        given: Any = depends_on
        several = isinstance(given, Iterable) and not isinstance(given, (str, Job, Output))
        return tuple(dict.fromkeys(self._parent(name, one) for one in (given if several else (given,))))

    def _parent(self, name: str, parent: object) -> str | bytes:
        if isinstance(parent, Job):
            parent = parent.id
        if isinstance(parent, Output):
            parent = self._of_output(name, parent)
        if isinstance(parent, bytes):
            return parent
        if not isinstance(parent, str):
            raise InvalidRequestError(
                f"node {name!r} depends on {parent!r:.200}: give the name or id of a node, or a job's id"
            )
        if parent in self.nodes:
            return parent
        if parent != name and _is_id(parent):
            raw = ids.to_raw(parent)
            return self._names.get(raw, raw)
        if parent == name:
            self._object(f"DAG {self.name!r} has a cycle: {name} → {name}", [name])
        else:
            self._object(
                f"node {name!r} depends on {parent!r}, which DAG {self.name!r} does not have (yet): parents "
                f"are added first; it has {_listed(self.nodes)}",
                [name, parent],
            )
        self._doubtful = True
        return parent

    def _of_output(self, name: str, output: Output) -> str:
        if output.owner is not self:
            raise DAGValidationError(
                f"node {name!r} takes {output!r}, which is of another DAG: add that as a sub-DAG",
                nodes=[name, output.name],
            )
        return output.name

    def _object(self, text: str, nodes: list[str]) -> None:
        if self.fail_fast:
            raise DAGValidationError(text, nodes=nodes)
        warnings.warn(text, UserWarning, stacklevel=5)

    def parents(self) -> dict[str, list[str]]:
        """Return each node's parents within this DAG."""
        return {
            name: [parent for parent in node.parents if isinstance(parent, str) and parent in self.nodes]
            for name, node in self.nodes.items()
        }

    def everything(self) -> Iterator[Blueprint]:
        """Walk through this blueprint and those of its sub-DAGs, however deep."""
        stack = [self]
        while stack:
            one = stack.pop()
            yield one
            stack += [node.inner for node in one.nodes.values() if node.inner is not None]

    def check(self) -> None:
        """Refuse what can't be stored.

        Raises:
            DAGValidationError: no node, a name used twice, an unknown parent, or a cycle (shown).
        """
        for part in self.everything():
            part._check_own()

    def _check_own(self) -> None:
        if not self.nodes:
            raise DAGValidationError(f"DAG {self.name!r} has no nodes: add_node() at least one", nodes=[])
        if self._duplicates:
            raise DAGValidationError(
                f"DAG {self.name!r} has more than one node named {_listed(self._duplicates)}",
                nodes=self._duplicates,
            )
        if not self._doubtful:
            return  # every node was added behind its parents: there can be no cycle
        for name, node in self.nodes.items():
            unknown = [p for p in node.parents if isinstance(p, str) and p not in self.nodes]
            if unknown:
                raise DAGValidationError(
                    f"node {name!r} depends on {_listed(unknown)}, which DAG {self.name!r} does not have",
                    nodes=[name, *unknown],
                )
        cycle = graph.find_cycle(self.parents())
        if cycle:
            raise DAGValidationError(f"DAG {self.name!r} has a cycle: {' → '.join(cycle)}", nodes=cycle)

    def warnings(self) -> list[str]:
        """Return what looks unintended but can be run."""
        found: list[str] = []
        for part in self.everything():
            where = "" if part is self else f"sub-DAG {part.name!r}: "
            parts = graph.components(part.parents()) if len(part.nodes) > 1 else 1
            if parts > 1:
                found.append(f"{where}the nodes fall into {parts} parts that do not depend on each other")
            for node in part.nodes.values():
                mode = node.settings.mode
                if mode == "any" and len(node.parents) < 2:
                    found.append(
                        f"{where}node {node.name!r} waits for any of its parents, but has {len(node.parents)}"
                    )
                if mode == "always" and not node.parents:
                    found.append(f"{where}node {node.name!r} runs always, but has no parent to run after")
        return found


def _is_id(text: str) -> bool:
    try:
        ids.to_raw(text)
    except InvalidRequestError:
        return False
    return True


def _listed(names: Iterable[Any], most: int = 10) -> str:
    every = [repr(name) for name in names]
    shown = ", ".join(every[:most]) or "none"
    return shown if len(every) <= most else f"{shown} and {len(every) - most} more"
