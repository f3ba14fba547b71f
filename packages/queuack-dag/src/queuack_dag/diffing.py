"""What differs between two runs, and what each difference did to the time that the whole took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from queuack_worker.facts import facts_of

from queuack_dag.fingerprint import changes
from queuack_dag.timing import NodeTiming, longest, timings_of

if TYPE_CHECKING:
    from queuack_dag.standing import Standing

LEAST_S = 0.001  # a difference in time below this is none


@dataclass(frozen=True, slots=True)
class NodeDiff:
    """What is different about one node.

    Attributes:
        name: the node's. what: in words, such as "helper 'clean' changed".
        seconds: how much longer (negative: shorter) the run took because of this node.
        before, after: its timing in either run; None where that does not have it.
    """

    name: str
    what: tuple[str, ...]
    seconds: float
    before: NodeTiming | None
    after: NodeTiming | None


@dataclass(frozen=True, slots=True)
class RunDiff:
    """What differs between two runs.

    Attributes:
        before, after: seconds from submission to the end; None where a run has not ended.
        params: the parameters that differ, with both values; None for one that was not given.
        nodes: what differs of the nodes, the greatest effect on the total first.
    """

    before: float | None
    after: float | None
    params: dict[str, tuple[Any, Any]]
    nodes: list[NodeDiff]

    def __str__(self) -> str:
        lines = [f"total: {_seconds(self.before)} → {_seconds(self.after)}"]
        lines += [f"parameter {name!r}: {old!r} → {new!r}" for name, (old, new) in self.params.items()]
        lines += [f"{one.seconds:+9.3f} s  {one.name}: {'; '.join(one.what)}" for one in self.nodes]
        return "\n".join(lines)


def diff(before: Standing, after: Standing) -> RunDiff:
    """Return what differs from one run to a later one."""
    old, new = timings_of(before), timings_of(after)
    old_code = facts_of(before.info()["facts"]).code
    new_code = facts_of(after.info()["facts"]).code
    took = {name: one.seconds for name, one in new.items()}
    total = longest(new, took)
    nodes = []
    for name in {**new, **old}:
        then, now = old.get(name), new.get(name)
        what = tuple(_what(then, now, old_code, new_code))
        if not what:
            continue
        if now is None:
            effect = longest(old, {n: one.seconds for n, one in old.items() if n != name})
            effect -= longest(old, {n: one.seconds for n, one in old.items()})
        else:
            effect = total - longest(new, {**took, name: 0.0 if then is None else then.seconds})
        nodes.append(NodeDiff(name, what, effect, then, now))
    nodes.sort(key=lambda one: -abs(one.seconds))
    return RunDiff(_total(before), _total(after), _params(before.params, after.params), nodes)


def _what(
    then: NodeTiming | None,
    now: NodeTiming | None,
    old_code: dict[str, dict[str, str]],
    new_code: dict[str, dict[str, str]],
) -> list[str]:
    if then is None:
        return ["it is new"]
    if now is None:
        return ["it is gone"]
    found = []
    if then.task != now.task:
        found.append(f"it runs {now.task} instead of {then.task}")
    elif then.task in old_code and now.task in new_code:
        found += changes(old_code[then.task], new_code[now.task])
    if then.status != now.status:
        found.append(f"{now.status} instead of {then.status}")
    if set(then.parents) != set(now.parents):
        found.append("it has other parents")
    for name, old, new in (("ran", then.ran, now.ran), ("waited", then.waited, now.waited)):
        if old is not None and new is not None and abs(new - old) >= LEAST_S:
            found.append(f"{name} {new:.3f} s instead of {old:.3f} s")
    return found


def _params(old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {
        name: (old.get(name), new.get(name))
        for name in {**old, **new}
        if not (name in old and name in new and _same(old[name], new[name]))
    }


def _same(left: Any, right: Any) -> bool:
    try:
        return bool(left == right)
    except Exception:  # an array has no one answer
        return False


def _total(run: Standing) -> float | None:
    info = run.info()
    return None if info["completed_at"] is None else float(info["completed_at"] - info["created_at"])


def _seconds(value: float | None) -> str:
    return "not ended" if value is None else f"{value:.3f} s"
