"""Two replicas on one Postgres and one Redis: whoever owns a session, it is followed at either as if there were one."""

import asyncio
import random
from collections.abc import Callable

import grpc
import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import CHANNEL_STDOUT, CHANNEL_THOUGHT, CommandCompleted, CommandStarted, Event, Frame

from services.rpc.status import from_rpc_error
from services.sessions.agent import recovery
from services.sessions.agent.journal import Journal
from services.sessions.domain.models import Change
from tests.fakes.viewer import Viewer
from tests.grounds.redis import Redis
from tests.service.sessions.conftest import Ground
from tests.service.sessions.test_watch_events import until_caught_up, write_command, write_text

HOPS = 250
PATIENCE = 20.0


async def owner(ground: Ground, session_id: str = "") -> Journal:
    """The test owns a (new) session at this replica and has a turn open in it."""
    if not session_id:
        await ground.stub.CreateSession(pb.CreateSessionRequest(task="t", request_id="r"), metadata=ground.me())
    (record,) = await ground.store.claim("w1", 1)
    journal = Journal(ground.ports, record)
    await recovery.take_over(journal)
    await journal.transition(lambda _: Change(turn_open=True))
    return journal


class Watching:
    """One watch in the background, from where the viewer is."""

    def __init__(self, ground: Ground, viewer: Viewer) -> None:
        self.viewer = viewer
        self.refused = ""
        self._came = asyncio.Event()
        self._call = ground.stub.WatchEvents(viewer.request(), metadata=ground.me())
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            async for answer in self._call:
                for frame in answer.frames:
                    assert self.viewer.feed(frame), f"the viewer would have to watch again: {frame}"
                self._came.set()
        except grpc.aio.AioRpcError as error:
            self.refused = from_rpc_error(error).reason

    async def until(self, holds: Callable[[Viewer], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds(self.viewer):
                self._came.clear()
                waiting = asyncio.ensure_future(self._came.wait())
                await asyncio.wait((waiting, self.task), return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if self.task.done() and not holds(self.viewer):
                    await self.task
                    raise AssertionError(f"ended: {self.refused}")

    async def close(self) -> None:
        self._call.cancel()
        await asyncio.wait((self.task,))


def shows(*texts: bytes) -> Callable[[Viewer], bool]:
    return lambda viewer: list(viewer.open.values()) == list(texts)


def has_seen(seq: int) -> Callable[[Viewer], bool]:
    return lambda viewer: viewer.last_seq >= seq


async def test_a_non_owner_shows_tokens_as_they_are_written(pair: tuple[Ground, Ground]) -> None:
    here, there = pair
    journal = await owner(here)
    watching = Watching(there, Viewer(journal.session_id))
    await watching.until(lambda viewer: viewer.caught_up)
    item = await journal.open_text(CHANNEL_THOUGHT)
    for word in ("one ", "two ", "žluť ", "three"):
        item.write(word)
        await watching.until(shows(item.text.encode()))
    await journal.append(item.completed())
    await watching.until(has_seen(journal.state.seq))
    assert watching.viewer.open == {}
    assert watching.viewer.repeated_events == 0
    assert watching.viewer.delta_bytes == len(item.text.encode())
    await watching.close()


async def test_who_joins_a_non_owner_in_mid_token_gets_what_is_there_and_what_comes(
    pair: tuple[Ground, Ground],
) -> None:
    here, there = pair
    journal = await owner(here)
    item = await journal.open_text(CHANNEL_THOUGHT)
    item.write("said before ")
    # The bytes so far come before CaughtUp, as they would at the owner.
    frames = await until_caught_up(there, pb.WatchEventsRequest(session_id=journal.session_id))
    assert [(frame.delta.offset, frame.delta.data) for frame in frames if frame.HasField("delta")] == [
        (0, b"said before ")
    ]
    late = Watching(there, Viewer(journal.session_id))
    await late.until(shows(b"said before "))
    item.write("and after")
    await late.until(shows(b"said before and after"))
    second = Watching(there, Viewer(journal.session_id))
    await second.until(shows(b"said before and after"))
    assert (late.viewer.delta_bytes, late.viewer.repeated_events) == (len("said before and after"), 0)
    await late.close()
    await second.close()


async def test_a_window_at_a_non_owner_brings_open_items_from_before_it(pair: tuple[Ground, Ground]) -> None:
    here, there = pair
    journal = await owner(here)
    item = await journal.open_text(CHANNEL_THOUGHT)
    started = journal.state.seq
    item.write("old item")
    for number in range(6):
        await write_command(journal, random.Random(number), number)
    frames = await until_caught_up(there, pb.WatchEventsRequest(session_id=journal.session_id, last_n=5))
    head = journal.state.seq
    assert [frame.event.seq for frame in frames if frame.HasField("event")] == [started, *range(head - 4, head + 1)]
    assert [frame.delta.data for frame in frames if frame.HasField("delta")] == [b"old item"]


async def test_a_window_from_a_time_without_redis_gets_the_open_item_once_it_is_known(
    pair: tuple[Ground, Ground], redis: Redis
) -> None:
    here, there = pair
    journal = await owner(here)
    item = await journal.open_text(CHANNEL_THOUGHT)
    started = journal.state.seq
    item.write("old item")
    for number in range(4):
        await write_command(journal, random.Random(number), number)
    redis.kill()
    call = there.stub.WatchEvents(pb.WatchEventsRequest(session_id=journal.session_id, last_n=3), metadata=there.me())
    frames: list[Frame] = []
    async with asyncio.timeout(PATIENCE):
        async for answer in call:
            frames += answer.frames
            if frames[-1].HasField("caught_up"):
                redis.start()
            if any(frame.HasField("delta") for frame in frames):
                break
    call.cancel()
    head = journal.state.seq
    events = [frame.event.seq for frame in frames if frame.HasField("event")]
    assert events == [*range(head - 2, head + 1), started]
    assert frames[-1].delta.data == b"old item"


async def test_messages_that_come_in_at_a_non_owner_keep_their_place(pair: tuple[Ground, Ground]) -> None:
    """The owner's own next event must not overtake them at its watchers."""
    here, there = pair
    journal = await owner(here)
    watchers = [Watching(ground, Viewer(journal.session_id)) for ground in pair]
    for watching in watchers:
        await watching.until(lambda viewer: viewer.caught_up)
    for number in range(20):
        sent = pb.SendMessageRequest(session_id=journal.session_id, text=f"m{number}", client_message_id=f"c{number}")
        item = (
            await asyncio.gather(there.stub.SendMessage(sent, metadata=there.me()), journal.open_text(CHANNEL_THOUGHT))
        )[1]
        item.write("word")
        await journal.append(item.completed())
    await journal.load()
    for watching in watchers:
        await watching.until(has_seen(journal.state.seq))
        assert [event.seq for event in watching.viewer.events] == list(range(1, journal.state.seq + 1))
        assert watching.viewer.repeated_events == 0
        await watching.close()


async def test_a_deletion_at_a_non_owner_ends_every_watch_and_reaches_the_runner(pair: tuple[Ground, Ground]) -> None:
    here, there = pair
    journal = await owner(here)
    told: list[str] = []
    here.local.on_deleted = told.append
    watchers = [Watching(ground, Viewer(journal.session_id)) for ground in pair]
    for watching in watchers:
        await watching.until(lambda viewer: viewer.caught_up)
    await there.stub.DeleteSession(pb.DeleteSessionRequest(session_id=journal.session_id), metadata=there.me())
    for watching in watchers:
        await asyncio.wait_for(watching.task, PATIENCE)
        assert watching.refused == "SESSION_NOT_FOUND"
    assert told == [journal.session_id]


async def test_a_stop_or_a_pause_at_a_non_owner_reaches_the_runner_at_once(pair: tuple[Ground, Ground]) -> None:
    here, there = pair
    journal = await owner(here)
    told = asyncio.Queue[str]()
    here.local.on_stop = here.local.on_pause = told.put_nowait
    here.local.work.clear()
    await there.stub.PauseSession(pb.PauseSessionRequest(session_id=journal.session_id), metadata=there.me())
    assert await asyncio.wait_for(told.get(), PATIENCE) == journal.session_id
    await there.stub.StopSession(pb.StopSessionRequest(session_id=journal.session_id), metadata=there.me())
    assert await asyncio.wait_for(told.get(), PATIENCE) == journal.session_id
    await asyncio.wait_for(here.local.work.wait(), PATIENCE)


async def test_without_redis_events_come_by_the_poll_and_the_owner_does_not_wait(
    pair: tuple[Ground, Ground], redis: Redis
) -> None:
    here, there = pair
    journal = await owner(here)
    watching = Watching(there, Viewer(journal.session_id))
    await watching.until(lambda viewer: viewer.caught_up)
    redis.kill()
    for number in range(5):
        await write_text(journal, random.Random(number))
    await watching.until(has_seen(journal.state.seq))
    here.live.open(journal.session_id, "itm_big", CHANNEL_STDOUT)
    await journal.append(journal.draft(item_id="itm_big", command_started=CommandStarted(command="yes")))
    whole = bytes(range(256)) * 12_000
    for offset in range(0, len(whole), 4096):
        here.live.write(journal.session_id, "itm_big", CHANNEL_STDOUT, offset, whole[offset : offset + 4096])
    redis.start()
    # Also what was written meanwhile, in one piece after the other.
    await watching.until(shows(whole))
    assert watching.viewer.delta_bytes == len(whole)
    await watching.close()


async def test_a_deletion_that_nobody_heard_of_is_found(pair: tuple[Ground, Ground], redis: Redis) -> None:
    here, there = pair
    journal = await owner(here)
    watching = Watching(there, Viewer(journal.session_id))
    await watching.until(lambda viewer: viewer.caught_up)
    redis.kill()
    await here.stub.DeleteSession(pb.DeleteSessionRequest(session_id=journal.session_id), metadata=here.me())
    await asyncio.wait_for(watching.task, PATIENCE)
    assert watching.refused == "SESSION_NOT_FOUND"


async def test_a_new_owner_goes_on_for_watchers_of_both(pair: tuple[Ground, Ground]) -> None:
    """A text of the old owner ends as it was kept; a command goes on with the bytes that are there."""
    here, there = pair
    first = await owner(here)
    here.live.open(first.session_id, "itm_c", CHANNEL_STDOUT)
    await first.append(first.draft(key="itm_c:started", item_id="itm_c", command_started=CommandStarted(command="x")))
    here.live.write(first.session_id, "itm_c", CHANNEL_STDOUT, 0, b"tick 1\n")
    text = await first.open_text(CHANNEL_THOUGHT)
    text.write("kept, lost")
    watchers = [Watching(ground, Viewer(first.session_id)) for ground in pair]
    for watching in watchers:
        await watching.until(shows(b"tick 1\n", b"kept, lost"))
    await here.store.save_progress({(first.session_id, text.item_id, CHANNEL_THOUGHT): b"kept"})
    await here.store.release("w1")
    second = await owner(there, first.session_id)
    assert second.lease.epoch > first.lease.epoch
    here.live.drop(first.session_id)
    there.live.open(first.session_id, "itm_c", CHANNEL_STDOUT)
    for watching in watchers:
        await watching.until(shows(b"tick 1\n"))
    # The sandbox tells all of the command's output again.
    there.live.write(first.session_id, "itm_c", CHANNEL_STDOUT, 0, b"tick 1\ntick 2\n")
    # A word of the old owner comes late.
    text.write(" too late")
    for watching in watchers:
        await watching.until(shows(b"tick 1\ntick 2\n"))
    await second.append(
        second.draft(key="itm_c:completed", item_id="itm_c", command_completed=CommandCompleted(exit_code=0))
    )
    for watching in watchers:
        await watching.until(has_seen(second.state.seq))
        assert watching.viewer.open == {}
        assert watching.viewer.repeated_events == 0
        ended = [event.text_completed for event in watching.viewer.events if event.HasField("text_completed")]
        assert [(event.text, event.reset) for event in ended] == [("kept", True)]
        await watching.close()


async def test_a_replica_that_leaves_sends_its_watchers_elsewhere(pair: tuple[Ground, Ground]) -> None:
    here, there = pair
    journal = await owner(here)
    item = await journal.open_text(CHANNEL_THOUGHT)
    item.write("half")
    watching = Watching(there, Viewer(journal.session_id))
    await watching.until(shows(b"half"))
    there.live.leave()
    await asyncio.wait_for(watching.task, PATIENCE)
    assert watching.refused == "LEAVING"
    again = Watching(there, Viewer(journal.session_id))
    await asyncio.wait_for(again.task, PATIENCE)
    assert again.refused == "LEAVING"
    elsewhere = Watching(here, watching.viewer)
    item.write(" whole")
    await elsewhere.until(shows(b"half whole"))
    await elsewhere.close()


async def test_nothing_is_kept_of_a_session_that_nobody_follows(pair: tuple[Ground, Ground]) -> None:
    here, there = pair
    journal = await owner(here)
    item = await journal.open_text(CHANNEL_THOUGHT)
    item.write("word")
    watching = Watching(there, Viewer(journal.session_id))
    await watching.until(shows(b"word"))
    await watching.close()
    await journal.append(item.completed())
    here.live.drop(journal.session_id)
    async with asyncio.timeout(PATIENCE):
        while any(vars(ground.live)[kept] for ground in pair for kept in ("_streams", "_following", "_owned")):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


class Mischief:
    """What may happen to Redis in mid-stream."""

    def __init__(self, redis: Redis, rng: random.Random) -> None:
        self._redis, self._rng = redis, rng

    async def strike(self) -> None:
        kind = self._rng.choice(["kill", "flush", "cut", "pause"])
        if kind == "kill":
            self._redis.kill()
            await asyncio.sleep(0.1)
            self._redis.start()
        elif kind == "flush":
            self._redis.command("FLUSHALL")
        elif kind == "cut":
            self._redis.command("CLIENT", "KILL", "TYPE", self._rng.choice(["pubsub", "normal"]), "SKIPME", "yes")
        else:
            self._redis.pause()
            await asyncio.sleep(0.2)
            self._redis.go_on()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("faults", [False, True], ids=["quiet", "redis-dies"])
async def test_hopping_between_replicas_shows_the_log(pair: tuple[Ground, Ground], redis: Redis, faults: bool) -> None:
    rng = random.Random(11)
    journal = await owner(pair[0])
    viewer, done = Viewer(journal.session_id), asyncio.Event()
    steady = Watching(pair[1], Viewer(journal.session_id))

    async def write() -> None:
        number = 0
        while not done.is_set():
            number += 1
            if rng.random() < 0.6:
                await write_text(journal, rng)
            else:
                await write_command(journal, rng, number)
            await asyncio.sleep(0.005)

    async def strike() -> None:
        mischief = Mischief(redis, random.Random(5))
        while faults and not done.is_set():
            await asyncio.sleep(0.3)
            await mischief.strike()

    working = [asyncio.create_task(write()), asyncio.create_task(strike())]
    for _ in range(HOPS):
        await follow(rng.choice(pair), viewer, rng.choice([1, 2, 5, 8, 20, 60]))
    done.set()
    await asyncio.gather(*working)
    stored = [Event.FromString(data) for _, data in await pair[0].store.read(journal.session_id, 0, 2**31 - 1, 10**6)]
    last = Watching(pair[1], viewer)
    for watching in (last, steady):
        await watching.until(has_seen(stored[-1].seq))
        assert watching.viewer.events == stored
        assert watching.viewer.open == {}
        assert watching.viewer.repeated_events == 0
        await watching.close()


async def follow(ground: Ground, viewer: Viewer, frames: int) -> None:
    """Watches until it has read so many frames, or for a moment: a quiet log has none to give."""
    call = ground.stub.WatchEvents(viewer.request(), metadata=ground.me())
    read = 0
    try:
        async with asyncio.timeout(0.3):
            async for answer in call:
                for frame in answer.frames:
                    read += 1
                    if not viewer.feed(frame) or read == frames:
                        return
    except TimeoutError:
        return
    finally:
        call.cancel()
