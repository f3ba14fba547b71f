"""What `doctor` and `repair` report: findings with what to do about each, facts, and what was done."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["info", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    level: `problem` (it can't be opened, or its rows contradict each other), `warning` (it works, but
    somebody should look), `info`. code: a short name that stays the same. advice: what to do, "" for nothing.
    """

    level: Level
    code: str
    message: str
    advice: str = ""


@dataclass(slots=True)
class Diagnosis:
    """The state of a queue's file.

    facts: figures by name (schema version, sizes, jobs by status, free disk, ...). For `repair` also: what
    it did, what was lost by it, and the folder with the files as they were before.
    """

    path: str
    findings: list[Finding] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    actions: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    copies: str | None = None

    @property
    def healthy(self) -> bool:
        """Whether there is no problem; warnings may be there."""
        return not any(finding.level == "problem" for finding in self.findings)

    def add(self, level: Level, code: str, message: str, advice: str = "") -> None:
        """Note a finding."""
        self.findings.append(Finding(level, code, message, advice))

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data, for JSON."""
        return {**asdict(self), "healthy": self.healthy}
