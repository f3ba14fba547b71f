"""What is refused, and how it says so.

ValueError
└── DiagramError
"""

from __future__ import annotations


class DiagramError(ValueError):
    """The data can't be drawn as asked: `what` is the thing, `problem` what is wrong, `hint` what to do.

    Trying again with the same data fails again.
    """

    def __init__(self, what: str, problem: str, hint: str) -> None:
        super().__init__(f"{what} {problem}; {hint}")
        self.what = what
        self.problem = problem
        self.hint = hint

    def __reduce__(self) -> tuple[type[DiagramError], tuple[str, str, str]]:
        return type(self), (self.what, self.problem, self.hint)
