"""The same cases on builds that break a rule: there the checker must find something, or it proves nothing elsewhere."""

from collections.abc import Iterator

import pytest

from tests.faults.case import play, work
from tests.faults.conftest import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
TRIES = 4


@pytest.fixture(scope="module")
def unfenced() -> Iterator[Stage]:
    made = Stage(sabotage="fence")
    yield made
    made.close()


@pytest.fixture(scope="module")
def unkeyed() -> Iterator[Stage]:
    made = Stage(sabotage="keys")
    yield made
    made.close()


def finds(stage: Stage, rule: str, point: str, fault: str) -> tuple[str, ...]:
    """What the checker has named, empty where the rule was not among it.

    By chance all that an owner writes late, or runs again, may be answered under keys: then the rule was not broken.
    """
    for _ in range(TRIES):
        broken = stage.run(play(stage.world, point, fault, work)).broken
        if any(one.startswith(rule) for one in broken):
            return tuple(broken)
    return ()


@pytest.mark.parametrize("point", ["model-answering", "command-output", "stored-call"])
def test_without_the_fence_two_owners_write(unfenced: Stage, point: str) -> None:
    assert finds(unfenced, "fence:", point, "pause")


@pytest.mark.parametrize("point", ["command-output", "command-ended"])
def test_without_keys_commands_run_twice(unkeyed: Stage, point: str) -> None:
    assert finds(unkeyed, "commands:", point, "kill")
