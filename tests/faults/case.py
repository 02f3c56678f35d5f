"""One case: a few sessions at once, one fault at one point, and the verdict on all that was recorded."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

from lucid.sessions.v1.event_pb2 import TurnCompleted

from tests.faults.breakage import Breakage
from tests.faults.checker.verdict import Verdict, judge
from tests.faults.client import Client, Watcher
from tests.faults.conductor import Trap
from tests.faults.world import REPOSITORY, World

PATIENCE_SECONDS = 40.0
LONGEST_TAKEOVER = 6.0
HOP_SECONDS = 0.4
SESSIONS = 2


@dataclass
class Player:
    """One session's client and its watcher."""

    name: str
    client: Client
    watcher: Watcher | None = None
    session: str = ""
    sandbox: str = ""

    async def create(self, plan: str, repository: str = "") -> None:
        """Begins the session and follows it."""
        task = " ".join(step.replace(":", f":{self.name}-", 1) for step in plan.split())
        made = await self.client.create(f"req-{self.name}", task, repository)
        self.session, self.sandbox = made.session_id, made.sandbox_id
        self.watcher = Watcher(self.client, self.session, f"watch-{self.name}", HOP_SECONDS)

    async def say(self, number: int, plan: str) -> None:
        """A follow-up with more steps."""
        text = " ".join(step.replace(":", f":{self.name}-{number}-", 1) for step in plan.split())
        await self.client.send(self.session, f"msg-{self.name}-{number}", text)

    async def see(self, kind: str, times: int = 1) -> None:
        """Waits for an event of a kind."""
        assert self.watcher is not None
        await self.watcher.until(lambda watcher: watcher.count(kind) >= times, PATIENCE_SECONDS)

    async def question(self) -> str:
        """Waits for a question that is open; its id."""
        assert self.watcher is not None
        await self.watcher.until(lambda watcher: watcher.open_question() != "", PATIENCE_SECONDS)
        return self.watcher.open_question()

    def outcomes(self) -> list[int]:
        """How its turns have ended."""
        assert self.watcher is not None
        done = TurnCompleted.OUTCOME_DONE
        ended = [event.turn_completed.outcome for event in self.watcher.events if event.HasField("turn_completed")]
        return [int(outcome == done) for outcome in ended]


Scenario = Callable[[Player], Awaitable[None]]


async def run_case(world: World, point: str, fault: str, scenario: Scenario) -> None:
    """Raises AssertionError where the point was not reached or a rule is broken."""
    verdict = await play(world, point, fault, scenario)
    assert not verdict.broken, "\n".join([*verdict.broken, verdict.summary, *map(world.log, world.workers)])


async def play(world: World, point: str, fault: str, scenario: Scenario) -> Verdict:
    """The checker's word on the case. Raises AssertionError where the point was not reached."""
    case = uuid4().hex[:6]
    world.begin_records(case)
    breakage = Breakage(world)
    client = Client(case, world.addresses(), world.metadata(), world.records)
    players = [Player(f"{case}{number}", client) for number in range(SESSIONS)]
    trap = world.conductor.set(Trap(point, (), getattr(breakage, fault)))
    try:
        await asyncio.gather(*(scenario(player) for player in players))
        assert trap.reached, f"{point} was not reached; reached: {world.conductor.counts}"
        async with asyncio.timeout(PATIENCE_SECONDS):
            await trap.sprung.wait()
        if trap.failed is not None:
            raise trap.failed
        await breakage.repaired()
        await settle(world, players)
        for player in players:
            world.export(player.session)
        world.take_stock()
        return judge(world.records_folder, world.log_file, LONGEST_TAKEOVER)
    finally:
        world.conductor.clear()
        await breakage.repaired()
        await end(world, players)
        await client.close()


async def settle(world: World, players: list[Player]) -> None:
    """Every watcher gets the time to see the end of its log."""
    watchers = [player.watcher for player in players if player.watcher is not None]
    for watcher in watchers:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found = await watcher.client.get(watcher.session)
                if watcher.last_seq == found.last_seq and found.state not in (1, 2):
                    break
                await asyncio.sleep(0.05)
    world.records.write("settled", watchers=[watcher.name for watcher in watchers])


async def end(world: World, players: list[Player]) -> None:
    """Leaves nothing that runs."""
    for player in players:
        if player.watcher is not None:
            await player.watcher.stop()
            await player.client.delete(player.session)
            world.deleted(player.sandbox)


async def work(player: Player) -> None:
    """A turn that talks, runs commands and ends."""
    await player.create("talk:a:25 slow:b:6 mark:c")
    await player.see("turn_completed")


async def deliver(player: Player) -> None:
    """A turn that pushes and opens a pull request, twice."""
    await player.create("push:a pr:b push:c pr:d", REPOSITORY)
    await player.see("turn_completed")


async def converse(player: Player) -> None:
    """A question, its answer, and a follow-up while a command runs."""
    await player.create("ask:a slow:b:8 mark:c")
    await player.client.resolve(player.session, await player.question(), "1")
    await player.see("command_started")
    await player.say(1, "mark:d")
    await player.see("turn_completed", 2)


async def stop(player: Player) -> None:
    """A stop in mid-command, and a message that goes on."""
    await player.create("mark:a slow:b:300")
    await player.see("command_started", 2)
    await player.client.stop(player.session)
    await player.see("turn_completed")
    await player.say(1, "mark:c")
    await player.see("turn_completed", 2)
