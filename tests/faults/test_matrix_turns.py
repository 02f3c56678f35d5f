"""The fault matrix, first part: each point of a turn's way, from the claim to its last event.

The short form has every kill and half of the other faults: 69 cases of 99 in both parts.
"""

import pytest

from tests.faults.case import run_case, work
from tests.faults.conftest import Stage
from tests.grounds.length import every_other

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]
ALL = ("kill", "pause", "cut", "storage")
POINTS = {
    "claimed": ("kill", "freeze"),
    "storing-turn-start": ("kill", "storage"),
    "sandbox-create": ("kill", "cut"),
    "sandbox-created": ("kill", "pause"),
    "model": ("kill", "pause", "cut"),
    "model-answering": ALL,
    "checkpoint": ("kill", "storage"),
    "model-answered": ("kill", "pause", "cut"),
    "storing-call": ("kill", "cut", "storage", "unanswered"),
    "stored-call": ("kill", "pause", "storage"),
    "stored-command-start": ("kill", "pause"),
    "command-begun": ("kill", "cut"),
    "command-output": (*ALL, "sandbox"),
    "command-ended": ("kill", "pause", "cut"),
    "storing-result": ("kill", "cut", "storage", "freeze", "unanswered"),
    "stored-result": ("kill", "pause"),
    "snapshot": ("kill",),
    "renew": ("kill", "pause"),
    "storing-turn-end": ("kill", "pause", "cut", "unanswered"),
    "stored-turn-end": ("kill", "storage"),
}
TABLE = [(point, fault) for point, faults in POINTS.items() for fault in faults]
CASES = every_other(TABLE, lambda case: case[1] == "kill")


@pytest.mark.parametrize(("point", "fault"), CASES, ids=["-".join(case) for case in CASES])
def test_nothing_is_lost_doubled_or_left(stage: Stage, point: str, fault: str) -> None:
    stage.run(run_case(stage.world, point, fault, work))
