"""Two whole services on one Postgres and one Redis. Leases last a minute, so that nothing here comes from waiting."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1 import sessions_pb2_grpc as pb_grpc
from lucid.sessions.v1.event_pb2 import CHANNEL_MESSAGE, CHANNEL_STDOUT, CHANNEL_THOUGHT, Event, TurnCompleted

from services.rpc.channels import open_channel
from services.rpc.identity import Verifier, sign_access_token, user_metadata
from services.rpc.serving import grpc_server
from services.rpc.status import from_rpc_error
from services.sessions.domain.conversation import ModelRequest, ToolResult
from services.sessions.domain.models import SessionRecord
from services.sessions.domain.work import CommandFrame
from services.sessions.server import Parts, build
from services.sessions.settings import Settings
from tests.fakes.ports import Place, Ran
from tests.fakes.scripted_model import Model, OneModel, said
from tests.fakes.viewer import Viewer
from tests.grounds.redis import Redis

SECRET, KEY = "s" * 32, "k" * 32
LEASE_SECONDS, PATIENCE = 60.0, 20.0
ME = user_metadata(sign_access_token(SECRET, "u1", 6 * 3600))
TEXTS = (CHANNEL_THOUGHT, CHANNEL_MESSAGE)


class World:
    """What both replicas stand on: the same sandbox, and models that play the same script."""

    def __init__(self, script: Callable[[ModelRequest], list[Any]]) -> None:
        self.place = SlowPlace(commands=lambda _: Ran(b"first half, second half\n"))
        self.models: list[Model] = []
        self._script = script

    def parts(self) -> Parts:
        world = self

        class Models(OneModel):
            def __init__(self, _providers: object) -> None:
                super().__init__(Model(world._script))
                world.models.append(self.model)

            async def warm(self) -> None: ...

            async def close(self) -> None: ...

        here = cast(Any, lambda *_: world.place)
        return Parts(models=cast(Any, Models), workspace=here, forge=here)


@dataclass
class SlowPlace(Place):
    """Commands show their first half, then wait until they may end. `left`: somebody who followed one has gone."""

    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, record: SessionRecord, key: str, *args: Any) -> AsyncGenerator[CommandFrame, None]:
        async with contextlib.aclosing(super().run(record, key, *args)) as frames:
            yield await anext(frames)
            yield await anext(frames)
            try:
                await self.may_end.wait()
            except asyncio.CancelledError:
                self.left.set()
                raise
            async for frame in frames:
                yield frame

    async def stop(self, record: SessionRecord, key: str) -> None:
        self.may_end.set()


class Replica:
    """A built service behind a real channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.health: Any = health_pb2_grpc.HealthStub(channel)
        self.stub: Any = pb_grpc.SessionsServiceStub(channel)

    async def create(self) -> str:
        made = await self.stub.CreateSession(pb.CreateSessionRequest(task="mend it"), metadata=ME)
        return str(made.session.session_id)

    async def watch(self, viewer: Viewer, holds: Callable[[Viewer], bool]) -> None:
        """Follows until that holds; never told to watch again."""
        call = self.stub.WatchEvents(viewer.request(), metadata=ME)
        async with asyncio.timeout(PATIENCE):
            async for answer in call:
                for frame in answer.frames:
                    assert viewer.feed(frame)
                if holds(viewer):
                    call.cancel()
                    return

    async def log(self, session_id: str) -> list[Event]:
        answer = await self.stub.ListEvents(pb.ListEventsRequest(session_id=session_id, page_size=1000), metadata=ME)
        return list(answer.events)


class Site:
    """Starts replicas; leaving one is what SIGTERM does."""

    def __init__(self, postgres_url: str, redis: Redis, folder: Path, world: World) -> None:
        self._settings = Settings(
            data_dir=folder,
            database_url=postgres_url,
            session_secret=SECRET,
            internal_api_key=KEY,
            encryption_key=KEY,
            redis_url=redis.url,
            lease_seconds=LEASE_SECONDS,
        )
        self._world = world

    @contextlib.asynccontextmanager
    async def replica(self) -> AsyncIterator[Replica]:
        service = await build(self._settings, lambda _: cast(Any, None), self._world.parts())
        with tempfile.TemporaryDirectory(prefix="rpc") as folder:
            # The channel outlives the service: what is said at the end is heard.
            async with open_channel(target := f"unix:{folder}/s") as channel:
                await service.start()
                try:
                    async with grpc_server([service], target, Verifier(SECRET, KEY)):
                        yield Replica(channel)
                finally:
                    await service.stop()


def runs_a_command(request: ModelRequest) -> list[Any]:
    """One command, then done."""
    if not any(isinstance(turn, ToolResult) for turn in request.turns):
        return said("I look.", ("run_command", {"command": "make"}))
    return said("Done.")


def speaks_slowly(world_models: Callable[[], int]) -> Callable[[ModelRequest], list[Any]]:
    """The first replica's model never comes to its end."""

    def script(request: ModelRequest) -> list[Any]:
        words = said(" ".join(f"word{number}" for number in range(20)))
        return words if world_models() > 1 else [piece for word in words[:-2] for piece in (0.05, word)] + [60.0]

    return script


def shows(channels: tuple[int, ...], least: int) -> Callable[[Viewer], bool]:
    return lambda viewer: any(channel in channels and len(data) >= least for (_, channel), data in viewer.open.items())


def turn_ended(viewer: Viewer) -> bool:
    return any(event.HasField("turn_completed") for event in viewer.events)


def outcome(events: list[Event]) -> int:
    return next(event.turn_completed.outcome for event in events if event.HasField("turn_completed"))


async def test_a_leaving_replica_hands_a_text_over(postgres_url: str, redis: Redis, tmp_path: Path) -> None:
    world = World(speaks_slowly(lambda: len(world.models)))
    site = Site(postgres_url, redis, tmp_path, world)
    async with contextlib.AsyncExitStack() as rest:
        async with site.replica() as first:
            session = await first.create()
            viewer = Viewer(session)
            await first.watch(viewer, shows(TEXTS, 20))
            second = await rest.enter_async_context(site.replica())
            # In mid-token, at a replica that does not run it.
            await second.watch(viewer, shows(TEXTS, 40))
        await second.watch(viewer, turn_ended)
        stored = await second.log(session)
    assert viewer.events == stored[: len(viewer.events)]
    assert viewer.repeated_events == 0
    texts = [event.text_completed for event in stored if event.HasField("text_completed")]
    # What was written so far was kept, then said anew by the next owner.
    assert [text.reset for text in texts] == [True, False]
    assert texts[1].text.startswith(texts[0].text)
    assert len(texts[0].text) >= 40
    assert outcome(stored) == TurnCompleted.OUTCOME_DONE


async def test_a_leaving_replica_leaves_its_commands_running(postgres_url: str, redis: Redis, tmp_path: Path) -> None:
    world = World(runs_a_command)
    site = Site(postgres_url, redis, tmp_path, world)
    async with contextlib.AsyncExitStack() as rest:
        async with site.replica() as first:
            session = await first.create()
            viewer = Viewer(session)
            await first.watch(viewer, shows((CHANNEL_STDOUT,), 5))
            second = await rest.enter_async_context(site.replica())
        assert world.place.left.is_set()
        following = asyncio.create_task(second.watch(viewer, turn_ended))
        world.place.may_end.set()
        await following
        stored = await second.log(session)
    assert len(world.place.starts) == 1
    completed = [event.command_completed for event in stored if event.HasField("command_completed")]
    assert [command.head for command in completed] == [b"first half, second half\n"]
    assert outcome(stored) == TurnCompleted.OUTCOME_DONE
    assert viewer.events == stored[: len(viewer.events)]


async def test_a_stop_pressed_elsewhere_ends_the_turn(postgres_url: str, redis: Redis, tmp_path: Path) -> None:
    site = Site(postgres_url, redis, tmp_path, World(runs_a_command))
    async with site.replica() as first:
        session = await first.create()
        viewer = Viewer(session)
        await first.watch(viewer, shows((CHANNEL_STDOUT,), 5))
        async with site.replica() as second:
            await second.watch(viewer, lambda viewer: viewer.caught_up)
            await second.stub.StopSession(pb.StopSessionRequest(session_id=session), metadata=ME)
            await second.watch(viewer, turn_ended)
            stored = await second.log(session)
    assert outcome(stored) == TurnCompleted.OUTCOME_INTERRUPTED
    assert viewer.open == {}


async def test_a_deletion_elsewhere_ends_the_run(postgres_url: str, redis: Redis, tmp_path: Path) -> None:
    world = World(runs_a_command)
    site = Site(postgres_url, redis, tmp_path, world)
    async with site.replica() as first, site.replica() as second:
        session = await first.create()
        viewer = Viewer(session)
        await first.watch(viewer, shows((CHANNEL_STDOUT,), 5))
        watching = asyncio.create_task(first.watch(viewer, turn_ended))
        await second.stub.DeleteSession(pb.DeleteSessionRequest(session_id=session), metadata=ME)
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await watching
        assert ended.value.code() is grpc.StatusCode.NOT_FOUND
        await asyncio.wait_for(world.place.left.wait(), PATIENCE)


async def test_many_sessions_are_handed_over_at_once(postgres_url: str, redis: Redis, tmp_path: Path) -> None:
    world = World(runs_a_command)
    site = Site(postgres_url, redis, tmp_path, world)
    async with contextlib.AsyncExitStack() as rest:
        async with site.replica() as first:
            made = [await first.create() for _ in range(45)]
            async with asyncio.timeout(PATIENCE):
                while len(world.place.starts) < len(made):  # noqa: ASYNC110 what the sandbox was asked
                    await asyncio.sleep(0.02)
            second = await rest.enter_async_context(site.replica())
        world.place.may_end.set()
        for session in made:
            await second.watch(viewer := Viewer(session), turn_ended)
            assert outcome(viewer.events) == TurnCompleted.OUTCOME_DONE
    assert len(world.place.starts) == len(made)


async def test_health_tells_before_the_watchers_are_sent_away(postgres_url: str, redis: Redis, tmp_path: Path) -> None:
    told: list[str] = []
    serving_now = asyncio.Event()

    async def ask(replica: Replica) -> None:
        async for answer in replica.health.Watch(health_pb2.HealthCheckRequest()):
            told.append(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
            serving_now.set()

    async def watch(replica: Replica, viewer: Viewer) -> None:
        try:
            await replica.watch(viewer, turn_ended)
        except grpc.aio.AioRpcError as error:
            told.append(from_rpc_error(error).reason)

    async with Site(postgres_url, redis, tmp_path, World(runs_a_command)).replica() as replica:
        viewer = Viewer(await replica.create())
        await replica.watch(viewer, shows((CHANNEL_STDOUT,), 5))
        tasks = [asyncio.create_task(ask(replica)), asyncio.create_task(watch(replica, viewer))]
        await asyncio.wait_for(serving_now.wait(), PATIENCE)
        await replica.watch(Viewer(viewer.session_id), lambda viewer: viewer.caught_up)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert told == ["SERVING", "NOT_SERVING", "LEAVING"]
