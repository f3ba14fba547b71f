"""How much a drawing may hold, and the order in which it is folded until it holds no more than that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from queuack_viz.errors import DiagramError
from queuack_viz.folding import close_groups, fold_levels, fold_maps
from queuack_viz.order import without_implied
from queuack_viz.sheet import Sheet

Step = Callable[[Sheet], Sheet]
MIN_TEXT = 8_000  # the colours, a legend and one box with a long name
OVERVIEW = 4  # what can't be drawn box by box is read as a whole: a quarter of the boxes shows it better
MAX_NESTING = 8  # frames in frames; past it a frame is a few pixels wide
SHORT_LABEL = 40  # columns; cutting names further would hide more than folding does


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one drawing may hold at most.

    * `max_nodes`: boxes and frames, for the reader's sake; default 150. A graph that has more once its maps
      are folded becomes an overview of at most a quarter as many.
    * `max_edges`: arrows; default 500, above which Mermaid refuses to draw unless its `maxEdges` is raised.
    * `max_text`: characters of the text; default 50,000, Mermaid's `maxTextSize`; at least 8,000.
    * `fold_maps_from`: maps of so many items or more become one box, as in `score ×500`; default 6; None:
      never unless the drawing would be too large.
    * `reduce_from`: drawings of so many arrows or more leave out those that longer ways imply; default 60;
      0: always; None: never unless the drawing would be too large.

    Raises:
        DiagramError: a limit is too small to draw anything.
    """

    max_nodes: int = 150
    max_edges: int = 500
    max_text: int = 50_000
    fold_maps_from: int | None = 6
    reduce_from: int | None = 60

    def __post_init__(self) -> None:
        least = {"max_nodes": 1, "max_edges": 1, "max_text": MIN_TEXT, "fold_maps_from": 2, "reduce_from": 0}
        for name, floor in least.items():
            value = getattr(self, name)
            if value is not None and value < floor:
                raise DiagramError(f"the limit {name}={value}", "is too small", f"give {floor:,} or more")


def fit(sheet: Sheet, limits: Limits, text_size: Callable[[Sheet], int]) -> Sheet:
    """The sheet, folded as far as `limits` asks for.

    `text_size` says how many characters the drawing of a sheet takes.
    """
    sheet = close_groups(sheet, MAX_NESTING)
    if limits.fold_maps_from is not None:
        sheet = fold_maps(sheet, limits.fold_maps_from)
    if limits.reduce_from is not None and len(sheet.edges) >= limits.reduce_from:
        sheet = without_implied(sheet)
    sheet = _folded(sheet, limits, text_size, _GENTLE)
    if _crowded(sheet, limits):
        limits = replace(limits, max_nodes=max(1, limits.max_nodes // OVERVIEW))
    return _folded(sheet, limits, text_size, _THOROUGH)


def _folded(
    sheet: Sheet,
    limits: Limits,
    text_size: Callable[[Sheet], int],
    steps: Iterable[Step],
) -> Sheet:
    """The sheet after as many steps, each again and again while it helps, as it takes to fit."""
    for step in steps:
        folding = True
        while folding:
            crowded = _crowded(sheet, limits)
            if not crowded and text_size(sheet) <= limits.max_text:
                return sheet
            if not crowded and sheet.label_columns > SHORT_LABEL:
                sheet = replace(sheet, label_columns=max(SHORT_LABEL, sheet.label_columns // 2))
                continue
            folded = step(sheet)
            folding = _things(folded) < _things(sheet)
            sheet = folded
    return sheet


def _things(sheet: Sheet) -> int:
    return len(sheet.boxes) + len(sheet.groups)


def _crowded(sheet: Sheet, limits: Limits) -> bool:
    return _things(sheet) > limits.max_nodes or len(sheet.edges) > limits.max_edges


def _fold_levels(sheet: Sheet, at_least: int, run: int = 1) -> Sheet:
    return without_implied(fold_levels(sheet, at_least, run))


def _close_groups(sheet: Sheet) -> Sheet:
    """Closes the innermost groups; what then looks alike (`train[0]`, `train[1]`, …) becomes one box."""
    return fold_maps(close_groups(sheet), at_least=2) if sheet.groups else sheet


_GENTLE: tuple[Step, ...] = (without_implied, partial(fold_maps, at_least=2))
# The last ones leave one box for so many levels that anything fits.
_THOROUGH: tuple[Step, ...] = (
    *(partial(_fold_levels, at_least=at_least) for at_least in (64, 32, 16)),
    _close_groups,
    *(partial(_fold_levels, at_least=at_least) for at_least in (8, 4, 2)),
    *(partial(_fold_levels, at_least=2, run=2**power) for power in range(1, 64)),
)
