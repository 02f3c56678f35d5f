"""The arithmetic of `make bench`: a wrong ratio or verdict would be believed."""

import json
import math

import pytest

from tests.benchmarks.__main__ import NAMES
from tests.benchmarks.roles.bare_tokens import summary
from tests.benchmarks.scripted_model import MARKER, STAMP, marker
from tests.benchmarks.table import Row, figure, from_samples, median, quantile, render


def row(measured: float, reference: float, goal: float | None = None, note: str = "") -> Row:
    return Row("P1", "CPU per token", measured, reference, "µs", "bare stream", goal, note)


@pytest.mark.parametrize(
    ("values", "part", "expected"),
    [
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.5),
        ([1.0, 2.0, 3.0, 4.0], 0.0, 1.0),
        ([1.0, 2.0, 3.0, 4.0], 1.0, 4.0),
        (list(map(float, range(101))), 0.99, 99.0),
        ([0.0, 10.0], 0.99, 9.9),
        ([7.0], 0.99, 7.0),
    ],
)
def test_quantiles(values: list[float], part: float, expected: float) -> None:
    assert quantile(values, part) == pytest.approx(expected)


def test_nothing_measured_is_an_error_and_not_a_zero() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        median([])


def test_rows_compare_the_medians() -> None:
    made = from_samples("P1", "CPU", [10.0, 90.0, 20.0], [5.0, 4.0, 100.0], "µs", "bare", 4.0)
    assert (made.measured, made.reference, made.ratio) == (20.0, 5.0, 4.0)
    assert made.samples == ((10.0, 90.0, 20.0), (5.0, 4.0, 100.0))


@pytest.mark.parametrize(
    ("measured", "goal", "verdict"),
    [
        (40.0, 4.0, "met"),
        (40.1, 4.0, "not met"),
        (0.0, 4.0, "met"),
        (9.0, None, ""),
        (0.0, 0.0, "met"),
        (0.1, 0.0, "not met"),
    ],
)
def test_verdicts(measured: float, goal: float | None, verdict: str) -> None:
    assert row(measured, 10.0, goal).verdict == verdict


def test_without_a_reference_no_goal_is_met() -> None:
    broken = row(1.0, 0.0, 4.0)
    assert math.isnan(broken.ratio)
    assert broken.verdict == "not met"
    assert "–" in render([broken])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.0804, "0.0804"),
        (1.5, "1.50"),
        (14.66, "14.7"),
        (91.2, "91.2"),
        (2074.4, "2,074"),
        (math.nan, "–"),
    ],
)
def test_three_significant_figures(value: float, text: str) -> None:
    assert figure(value) == text


def test_the_table_tells_ratio_goal_raw_figures_notes_and_count() -> None:
    text = render([row(60.0, 20.0, 4.0), row(100.0, 20.0, 4.0, "a note"), row(30.0, 20.0)])
    lines = text.splitlines()
    assert lines[2].split() == [
        "P1",
        "CPU",
        "per",
        "token",
        "60.0",
        "µs",
        "20.0",
        "µs",
        "bare",
        "stream",
        "3.00",
        "×",
        "≤",
        "4.00",
        "met",
    ]
    assert lines[3].endswith("not met")
    assert lines[4].endswith("1.50 ×")
    assert "P1 CPU per token: a note" in lines
    assert lines[-1] == "1 of 2 goals met."


def test_the_record_is_strict_json() -> None:
    record = json.loads(json.dumps(row(1.0, 0.0, 4.0).record(), allow_nan=False))
    assert (record["ratio"], record["verdict"], record["measured"]) == (None, "not met", 1.0)


def test_markers_and_stamps_are_read_as_they_are_written() -> None:
    found = MARKER.search(f"Please {marker('tokens', 400, 'abc', 50)} now")
    assert found is not None
    assert found.groups() == ("tokens", "400", "50", "abc")
    assert STAMP.findall(b"a <1763822345.123456> b") == [b"1763822345.123456"]


def test_a_summary_counts_all_tokens() -> None:
    assert summary([0.001, 0.003, 0.002]) == {"tokens": 3, "p50": 0.002, "p99": pytest.approx(0.00298)}


def test_every_scenario_has_a_name() -> None:
    assert NAMES == (
        "start",
        "command",
        "inside",
        "snapshots",
        "apart",
        "egress",
        "sandboxes",
        "starts",
        "bombs",
        "tokens",
        "crowd",
        "create",
        "steps",
        "resume",
    )
