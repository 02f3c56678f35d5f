"""Bringing the ground into being: what is said while a sandbox waits, and what goes on beside the model's call."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from lucid.sessions.v1.event_pb2 import StatusChanged

from services.sessions.agent.journal import Journal
from services.sessions.agent.loop import run_turn
from services.sessions.agent.prepare import PrepareFailed, prepare
from services.sessions.agent.recovery import take_over
from services.sessions.domain.errors import Fenced
from services.sessions.domain.models import SessionRecord
from services.sessions.domain.work import Confinement, Gate, Outcome, Snapshot, ToolFailure
from tests.fakes.ports import Place, World
from tests.fakes.scripted_model import said


@dataclass
class Waiting(Place):
    """A place whose sandbox stands in line: `line` are its places, one for each look; then it is made."""

    line: list[int] = field(default_factory=list)
    made: asyncio.Event = field(default_factory=asyncio.Event)
    snapshots: asyncio.Event = field(default_factory=asyncio.Event)

    async def create(self, record: SessionRecord, gate: Gate | None) -> Confinement:
        await self.made.wait()
        return Confinement("bubblewrap", "", "/workspace", False, warm=True)

    async def queue_position(self, record: SessionRecord) -> int:
        if not self.line:
            self.made.set()
            await asyncio.sleep(0)
            return 0
        return self.line.pop(0)

    async def snapshot(self, record: SessionRecord, path: str, since: str) -> Snapshot:
        await self.snapshots.wait()
        return await super().snapshot(record, path, since)


async def begun(world: World, plain: bool = False) -> Journal:
    """`plain`: without a repository."""
    record = replace(world.record, repository=None) if plain else world.record
    journal = Journal(world.ports, record)
    await take_over(journal)
    return journal


async def test_the_place_in_line_is_told_when_it_moves() -> None:
    place = Waiting(line=[3, 3, 2, 1])
    place.snapshots.set()
    world = World([], place)
    await prepare(journal := await begun(world))
    said_so = [(s.phase, s.message) for s in world.log.of("status_changed")]
    waiting = [(StatusChanged.PHASE_QUEUED, f"Waiting for a sandbox, {n} in line") for n in ("3rd", "2nd", "1st")]
    first = (StatusChanged.PHASE_STARTING_SANDBOX, "Starting the sandbox")
    assert said_so[:4] == [first, *waiting]
    assert said_so[4] in (first, (StatusChanged.PHASE_CLONING, "Cloning lucid/teatime"))
    assert world.log.of("sandbox_changed")[0].warm
    await journal.leave()


async def test_an_owner_that_was_followed_by_another_waits_no_longer() -> None:
    place = Waiting(line=[1] * 1000)
    world = World([], place)
    journal = await begun(world)
    preparing = asyncio.create_task(prepare(journal))
    while not world.log.of("status_changed"):  # noqa: ASYNC110
        await asyncio.sleep(0)
    world.log.fenced = True
    with pytest.raises(Fenced):
        await preparing


async def test_the_model_is_called_before_the_first_snapshot_and_its_answer_comes_after_it() -> None:
    place = Waiting()
    place.made.set()
    world = World([said("It is green.")], place)
    await prepare(journal := await begun(world, plain=True))
    turn = asyncio.create_task(run_turn(journal))
    while not world.model.requests:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert "checkpoint_created" not in world.log.kinds()
    place.snapshots.set()
    assert await turn is Outcome.COMPLETED
    kinds = world.log.kinds()
    base = kinds.index("checkpoint_created")
    assert kinds[base:] == ["checkpoint_created", "status_changed", "text_started", "text_completed", "usage"]


async def test_a_first_snapshot_that_fails_ends_the_turn_before_anything_is_said() -> None:
    class Broken(Waiting):
        async def snapshot(self, record: SessionRecord, path: str, since: str) -> Snapshot:
            raise ToolFailure("SNAPSHOT_FAILED", "git could not record the tree.")

    place = Broken()
    place.made.set()
    world = World([said("It is green.")], place)
    await prepare(journal := await begun(world, plain=True))
    with pytest.raises(PrepareFailed):
        await run_turn(journal)
    assert "text_started" not in world.log.kinds()
    assert [error.code for error in world.log.of("error")] == ["SNAPSHOT_FAILED"]
