"""The promise of the stream: cut anywhere, resumed, the viewer ends with the log; nothing twice, nothing missing."""

import asyncio
import hashlib
import random
from typing import Any

import grpc
import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import (
    CHANNEL_STDOUT,
    CHANNEL_THOUGHT,
    CommandCompleted,
    CommandStarted,
    Event,
    Frame,
    TextCompleted,
)

from services.rpc.status import from_rpc_error
from services.sessions.agent.journal import Journal
from services.sessions.domain.models import Lease
from services.sessions.store.live import MAX_BUFFERED
from tests.fakes.viewer import Viewer
from tests.grounds.length import rounds
from tests.service.sessions.conftest import Ground

CUTS = rounds(300, 2000)


async def owner(ground: Ground) -> Journal:
    await ground.stub.CreateSession(pb.CreateSessionRequest(task="t", request_id="r"), metadata=ground.me())
    (record,) = await ground.store.claim("w1", 1)
    journal = Journal(ground.ports, record)
    await journal.load()
    ground.live.adopt(record.session_id, journal.state.seq, [])
    return journal


async def write_text(journal: Journal, rng: random.Random) -> int:
    item = await journal.open_text(CHANNEL_THOUGHT)
    size = 0
    for _ in range(rng.randrange(1, 30)):
        piece = rng.choice(["word ", "žluťoučký ", "🔑", "line\n", "a"])
        item.write(piece)
        size += len(piece.encode())
        if rng.random() < 0.7:
            await asyncio.sleep(0)
    await journal.append(item.completed())
    return size


async def write_command(journal: Journal, rng: random.Random, number: int) -> int:
    item, live, session = f"itm_c{number}", journal.ports.live, journal.session_id
    live.open(session, item, CHANNEL_STDOUT)
    await journal.append(journal.draft(item_id=item, command_started=CommandStarted(command="x")))
    offset = 0
    for _ in range(rng.randrange(1, 40)):
        data = rng.randbytes(rng.randrange(1, 200))
        # Output may be told twice, as after an attach: what is there already is not sent again.
        back = rng.randrange(0, offset + 1) if rng.random() < 0.1 else offset
        again = live.content(session, item, CHANNEL_STDOUT)[back:]
        live.write(session, item, CHANNEL_STDOUT, back, again + data)
        offset += len(data)
        if rng.random() < 0.5:
            await asyncio.sleep(0)
    await journal.append(journal.draft(item_id=item, command_completed=CommandCompleted(exit_code=0)))
    return offset


async def follow(ground: Ground, viewer: Viewer, frames: int | None, done: asyncio.Event | None = None) -> int:
    """Watches once, to the end of `frames` or until nothing is left to see; answers the frames read."""
    call = ground.stub.WatchEvents(viewer.request(), metadata=ground.me())
    read = 0
    async for answer in call:
        for frame in answer.frames:
            read += 1
            if not viewer.feed(frame) or read == frames:
                call.cancel()
                return read
        if frames is None and viewer.caught_up and done is not None and done.is_set():
            call.cancel()
            return read
    return read


@pytest.mark.timeout(240)
async def test_cut_at_random_frames(ground: Ground) -> None:
    rng = random.Random(7)
    journal = await owner(ground)
    viewer, done, produced = Viewer(journal.session_id), asyncio.Event(), 0

    async def write() -> int:
        total, number = 0, 0
        while not done.is_set():
            number += 1
            total += await write_text(journal, rng) if rng.random() < 0.6 else await write_command(journal, rng, number)
            await asyncio.sleep(0.001)
        return total

    writing = asyncio.create_task(write())
    for _ in range(CUTS):
        await follow(ground, viewer, rng.choice([1, 2, 3, 5, 8, 20, 60]))
    done.set()
    produced = await writing
    end = asyncio.Event()
    end.set()
    await follow(ground, viewer, None, end)

    stored = [Event.FromString(data) for _, data in await ground.store.read(journal.session_id, 0, 2**31 - 1, 10**6)]
    assert [event.seq for event in stored] == list(range(1, len(stored) + 1))
    assert viewer.events == stored
    assert viewer.open == {}
    assert viewer.delta_bytes <= produced
    assert viewer.repeated_events == 0


async def test_chain_of_hashes(ground: Ground) -> None:
    journal = await owner(ground)
    for _ in range(3):
        await write_text(journal, random.Random(1))
    before = b""
    for _, data in await ground.store.read(journal.session_id, 0, 2**31 - 1, 1000):
        assert Event.FromString(data).prev_hash == before
        before = hashlib.sha256(data).digest()


async def test_joining_in_mid_message_misses_nothing(ground: Ground) -> None:
    journal = await owner(ground)
    item = await journal.open_text(CHANNEL_THOUGHT)
    item.write("said before ")
    viewer = Viewer(journal.session_id)
    call = ground.stub.WatchEvents(viewer.request(), metadata=ground.me())
    async for answer in call:
        for frame in answer.frames:
            assert viewer.feed(frame)
        if viewer.caught_up and list(viewer.open.values()) == [b"said before "]:
            item.write("and after")
        if list(viewer.open.values()) == [b"said before and after"]:
            break
    call.cancel()


async def test_last_n_brings_open_items_from_before_the_window(ground: Ground) -> None:
    journal = await owner(ground)
    item = await journal.open_text(CHANNEL_THOUGHT)
    item.write("old item")
    for number in range(30):
        await write_command(journal, random.Random(number), number)
    request = pb.WatchEventsRequest(session_id=journal.session_id, last_n=5)
    frames = await until_caught_up(ground, request)
    seqs = [frame.event.seq for frame in frames if frame.HasField("event")]
    head = journal.state.seq
    assert seqs == [4, *range(head - 4, head + 1)]
    assert [frame.delta.data for frame in frames if frame.HasField("delta")] == [b"old item"]


async def until_caught_up(ground: Ground, request: pb.WatchEventsRequest) -> list[Frame]:
    call = ground.stub.WatchEvents(request, metadata=ground.me())
    frames: list[Frame] = []
    async for answer in call:
        frames += answer.frames
        if any(frame.HasField("caught_up") for frame in frames):
            call.cancel()
            return frames
    raise AssertionError("ended before it had caught up")


async def test_another_epoch_resets(ground: Ground) -> None:
    journal = await owner(ground)
    request = pb.WatchEventsRequest(session_id=journal.session_id, epoch=9, after_seq=2)
    frames = await until_caught_up(ground, request)
    assert frames[0].reset.epoch == 1
    assert [frame.event.seq for frame in frames if frame.HasField("event")] == [1, 2, 3]


@pytest.mark.parametrize("user", ["u1", "u2"])
async def test_refusals(ground: Ground, user: str) -> None:
    journal = await owner(ground)

    async def reason(request: pb.WatchEventsRequest) -> Any:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            async for _ in ground.stub.WatchEvents(request, metadata=ground.me(user)):
                pass
        return from_rpc_error(failed.value)

    beyond = await reason(pb.WatchEventsRequest(session_id=journal.session_id, after_seq=99))
    if user == "u2":
        assert beyond.reason == "SESSION_NOT_FOUND"
    else:
        assert (beyond.reason, beyond.metadata) == ("CURSOR_BEYOND_END", {"last_seq": "3"})
    assert (await reason(pb.WatchEventsRequest(session_id="ses_absent"))).reason == "SESSION_NOT_FOUND"


async def test_slow_reader_resyncs_and_holds_nobody_back(ground: Ground) -> None:
    journal = await owner(ground)
    slow = ground.live.watch(journal.session_id, 0, 0, [], 0, False)
    await anext(slow)
    await anext(slow)
    quick = Viewer(journal.session_id)
    reading = asyncio.create_task(follow(ground, quick, None))
    item, live = "itm_flood", journal.ports.live
    live.open(journal.session_id, item, CHANNEL_STDOUT)
    await journal.append(journal.draft(item_id=item, command_started=CommandStarted(command="yes")))
    piece, offset = b"y\n" * 16_384, 0
    while offset < 2 * MAX_BUFFERED:
        live.write(journal.session_id, item, CHANNEL_STDOUT, offset, piece)
        offset += len(piece)
        await asyncio.sleep(0.002)
    await journal.append(journal.draft(item_id=item, command_completed=CommandCompleted(exit_code=0)))
    with pytest.raises(Exception, match="Too slow"):
        async for _ in slow:
            pass
    async with asyncio.timeout(20):
        while quick.last_seq < journal.state.seq:
            assert not reading.done(), "the quick one was cut off"
            await asyncio.sleep(0.01)
    reading.cancel()


async def test_an_owner_before_is_fenced(ground: Ground) -> None:
    journal = await owner(ground)
    stale = Lease(journal.session_id, journal.lease.epoch - 1)
    before = journal.state.seq
    journal.lease = stale
    with pytest.raises(Exception, match="Another owner"):
        await journal.append(journal.draft(text_completed=TextCompleted(text="late")))
    assert (await ground.store.get(journal.session_id)).seq == before


async def test_many_writers_get_one_gapless_order(ground: Ground) -> None:
    journal = await owner(ground)

    async def send(number: int) -> int:
        request = pb.SendMessageRequest(
            session_id=journal.session_id, text=f"m{number}", client_message_id=f"c{number % 40}"
        )
        return int((await ground.stub.SendMessage(request, metadata=ground.me())).seq)

    seqs = await asyncio.gather(*(send(number) for number in range(80)))
    assert sorted(set(seqs)) == list(range(4, 44))
    assert seqs[:40] == seqs[40:]


async def test_deleting_ends_the_watch(ground: Ground) -> None:
    journal = await owner(ground)
    viewer = Viewer(journal.session_id)

    async def watch() -> None:
        async for answer in ground.stub.WatchEvents(viewer.request(), metadata=ground.me()):
            for frame in answer.frames:
                viewer.feed(frame)
            if viewer.caught_up:
                request = pb.DeleteSessionRequest(session_id=journal.session_id)
                await ground.stub.DeleteSession(request, metadata=ground.me())

    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await watch()
    assert from_rpc_error(failed.value).reason == "SESSION_NOT_FOUND"
