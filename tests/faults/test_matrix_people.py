"""The fault matrix, second part: what people ask for and decide, and what leaves the house."""

import pytest

from tests.faults.case import Scenario, converse, deliver, run_case, stop, work
from tests.faults.conftest import Stage
from tests.grounds.length import every_other

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]
POINTS: dict[tuple[Scenario, str], tuple[str, ...]] = {
    (work, "create"): ("kill", "cut", "unanswered"),
    (work, "created"): ("kill", "pause"),
    (converse, "stored-question"): ("kill", "pause"),
    (converse, "storing-decision"): ("kill", "storage", "unanswered"),
    (converse, "stored-decision"): ("kill", "pause"),
    (converse, "storing-message"): ("kill", "cut", "unanswered"),
    (converse, "stored-message"): ("kill", "pause"),
    (converse, "storing-taken"): ("kill", "pause", "unanswered"),
    (converse, "stored-taken"): ("kill", "cut"),
    (stop, "storing-stop"): ("kill", "storage", "unanswered"),
    (stop, "stored-stop"): ("kill", "pause"),
    (stop, "command-stop"): ("kill", "pause", "cut"),
    (deliver, "gate"): ("kill", "cut"),
    (deliver, "host-push"): ("kill", "pause"),
    (deliver, "pull-request"): ("kill", "pause"),
    (deliver, "host-pull"): ("kill", "cut"),
    (deliver, "host-pulled"): ("kill", "pause", "cut", "storage"),
    (deliver, "pull-request-opened"): ("kill", "pause"),
}
TABLE = [(scenario, point, fault) for (scenario, point), faults in POINTS.items() for fault in faults]
CASES = every_other(TABLE, lambda case: case[2] == "kill")
NAMES = [f"{scenario.__name__}-{point}-{fault}" for scenario, point, fault in CASES]


@pytest.mark.parametrize(("scenario", "point", "fault"), CASES, ids=NAMES)
def test_nothing_is_lost_doubled_or_left(stage: Stage, scenario: Scenario, point: str, fault: str) -> None:
    stage.run(run_case(stage.world, point, fault, scenario))
