"""A row per measurement: what the product took, what the bare chain took, the ratio, and the goal for it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

HEADINGS = ("", "what", "Lucid", "reference", "ratio", "goal", "")
_RIGHT = frozenset({2, 4, 5})


@dataclass(frozen=True)
class Row:
    """`measured` and `reference` are medians, in `unit`. `goal`: the largest ratio that meets it; None: no goal.

    `goal_id`: its name in docs/benchmarks.md. `against`: what the reference is. `note`: said under the table.
    `samples`: the repetitions behind the medians.
    """

    goal_id: str
    name: str
    measured: float
    reference: float
    unit: str
    against: str
    goal: float | None = None
    note: str = ""
    samples: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())

    @property
    def ratio(self) -> float:
        """How many times the reference; NaN where there is nothing to compare with."""
        return self.measured / self.reference if self.reference > 0 else math.nan

    @property
    def verdict(self) -> str:
        """A ratio that is no number meets no goal."""
        if self.goal is None:
            return ""
        return "met" if self.ratio <= self.goal else "not met"

    def cells(self) -> tuple[str, ...]:
        """As printed."""
        goal = "" if self.goal is None else f"≤ {figure(self.goal)}"
        reference = f"{figure(self.reference)} {self.unit} {self.against}"
        measured = f"{figure(self.measured)} {self.unit}"
        return self.goal_id, self.name, measured, reference, f"{figure(self.ratio)} ×", goal, self.verdict

    def record(self) -> dict[str, Any]:
        """For the JSON file; what is no number is null there."""
        values = asdict(self) | {"ratio": self.ratio, "verdict": self.verdict}
        return {key: _plain(value) for key, value in values.items()}


def from_samples(
    goal_id: str,
    name: str,
    measured: Sequence[float],
    reference: Sequence[float],
    unit: str,
    against: str,
    goal: float | None = None,
    note: str = "",
) -> Row:
    """The row of the medians. Raises ValueError for a side without a sample."""
    both = (tuple(measured), tuple(reference))
    return Row(goal_id, name, median(measured), median(reference), unit, against, goal, note, both)


def quantile(values: Iterable[float], part: float) -> float:
    """Linear between neighbours, as in R's type 7; `part` from 0 to 1. Raises ValueError for no values."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values: nothing was measured")
    place = part * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def median(values: Iterable[float]) -> float:
    """The middle one. Raises ValueError for no values."""
    return quantile(values, 0.5)


def figure(value: float) -> str:
    """Three significant figures, never as 1e+03."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def render(rows: Sequence[Row]) -> str:
    """The table, with the notes under it and the count of goals at the end."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    text = [_line(line, widths) for line in lines]
    text.insert(1, "  ".join("─" * width for width in widths))
    notes = dict.fromkeys(f"{row.goal_id} {row.name}: {row.note}".strip() for row in rows if row.note)
    judged = [row.verdict for row in rows if row.goal is not None]
    summary = f"{judged.count('met')} of {len(judged)} goals met."
    return "\n".join([*text, "", *notes, summary])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if column in _RIGHT else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(padded).rstrip()


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
