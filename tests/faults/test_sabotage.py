"""The same cases on builds that break a rule: there the checker must find something, or it proves nothing elsewhere."""

from collections.abc import Iterator

import pytest

from tests.faults.case import play, work
from tests.faults.conftest import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]


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


@pytest.mark.parametrize("point", ["model-answering", "command-output", "stored-call"])
def test_without_the_fence_two_owners_write(unfenced: Stage, point: str) -> None:
    broken = unfenced.run(play(unfenced.world, point, "pause", work)).broken
    assert any(one.startswith("fence:") for one in broken), broken


@pytest.mark.parametrize("point", ["command-output", "command-ended"])
def test_without_keys_commands_run_twice(unkeyed: Stage, point: str) -> None:
    broken = unkeyed.run(play(unkeyed.world, point, "kill", work)).broken
    assert any(one.startswith("commands:") for one in broken), broken
