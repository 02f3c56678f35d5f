"""`WS /api/v1/stream` with a real client: multiplex, resume, slow readers, garbage, cuts."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from lucid.gateway.v1.accounts_pb2 import StreamRequest, StreamResponse
from lucid.sessions.v1 import event_pb2 as epb
from lucid.sessions.v1 import sessions_pb2 as spb
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from services.rpc.errors import Code
from tests.fakes.services import Refusal
from tests.service.gateway.conftest import Ground, running, until


@contextlib.asynccontextmanager
async def opened(ground: Ground, user: str = "usr_ann", **more: Any) -> AsyncIterator[ClientConnection]:
    options = {"additional_headers": ground.bearer(user), "compression": None, "max_size": None, **more}
    async with connect(ground.ws, **options) as ws:
        yield ws


def watch(stream_id: int, session_id: str, **fields: Any) -> bytes:
    asked = StreamRequest.Watch(stream_id=stream_id, watch=spb.WatchEventsRequest(session_id=session_id, **fields))
    return StreamRequest(watch=asked).SerializeToString()


def unwatch(stream_id: int) -> bytes:
    return StreamRequest(unwatch=StreamRequest.Unwatch(stream_id=stream_id)).SerializeToString()


PING = StreamRequest(ping=StreamRequest.Ping()).SerializeToString()


async def receive(ws: ClientConnection) -> StreamResponse:
    data = await asyncio.wait_for(ws.recv(), 10)
    assert isinstance(data, bytes)
    return StreamResponse.FromString(data)


async def frames_until(ws: ClientConnection, enough: Callable[[dict[int, list[epb.Frame]]], bool]) -> dict[int, Any]:
    """Frames by stream id, once there is enough of them."""
    seen: dict[int, list[epb.Frame]] = {}
    while not enough(seen):
        answer = await receive(ws)
        assert answer.WhichOneof("response") == "frames", answer
        parsed = spb.WatchEventsResponse.FromString(answer.frames.response)
        seen.setdefault(answer.frames.stream_id, []).extend(parsed.frames)
    return seen


def caught_up(seen: dict[int, list[epb.Frame]], *ids: int) -> bool:
    return all(any(frame.HasField("caught_up") for frame in seen.get(number, [])) for number in ids)


async def closed(ws: ClientConnection) -> tuple[int, str]:
    await asyncio.wait_for(ws.wait_closed(), 10)
    with pytest.raises(ConnectionClosed) as caught:
        await _drain(ws)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


async def _drain(ws: ClientConnection) -> None:
    while True:
        await ws.recv()


async def test_many_sessions_on_one_socket(ground: Ground) -> None:
    first, second = ground.sessions.put("usr_ann"), ground.sessions.put("usr_ann")
    for number in range(50):
        ground.sessions.add(first.session_id, user_message=epb.UserMessage(text=f"a{number}"))
    ground.sessions.add(second.session_id, user_message=epb.UserMessage(text="b"))
    async with opened(ground) as ws:
        await ws.send(watch(1, first.session_id))
        await ws.send(watch(300, second.session_id))
        seen = await frames_until(ws, lambda seen: caught_up(seen, 1, 300))
    assert [frame.event.user_message.text for frame in seen[1][:-1]] == [f"a{number}" for number in range(50)]
    assert [frame.event.user_message.text for frame in seen[300][:-1]] == ["b"]
    await until(lambda: ground.sessions.open_watches == 0)


async def test_the_cursor_goes_on_to_sessions_untouched(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann")
    for _ in range(5):
        ground.sessions.add(session.session_id)
    item = epb.ItemCursor(item_id="itm_1", channel=epb.CHANNEL_STDOUT, have=77)
    async with opened(ground) as ws:
        await ws.send(watch(1, session.session_id, epoch=3, after_seq=4, items=[item], last_n=9, durable_only=True))
        seen = await frames_until(ws, lambda seen: caught_up(seen, 1))
    assert [frame.event.seq for frame in seen[1][:-1]] == [5]
    asked = ground.sessions.last("WatchEvents").request
    assert (asked.epoch, asked.after_seq, asked.last_n, asked.durable_only) == (3, 4, 9, True)
    assert list(asked.items) == [item]


async def test_ping_and_unwatch(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann")
    async with opened(ground) as ws:
        await ws.send(PING)
        assert (await receive(ws)).WhichOneof("response") == "pong"
        await ws.send(watch(1, session.session_id))
        await frames_until(ws, lambda seen: caught_up(seen, 1))
        await ws.send(unwatch(1))
        ending = (await receive(ws)).end
        assert (ending.stream_id, ending.code, ending.reason) == (1, 0, "")
        await until(lambda: ground.sessions.open_watches == 0)
        await ws.send(unwatch(1))
        await ws.send(watch(1, session.session_id))
        await frames_until(ws, lambda seen: caught_up(seen, 1))


@pytest.mark.parametrize("owner", ["usr_bob", None])
async def test_foreign_and_absent_sessions_end_the_watch_only(ground: Ground, owner: str | None) -> None:
    session_id = ground.sessions.put(owner).session_id if owner else "ses_absent"
    mine = ground.sessions.put("usr_ann")
    async with opened(ground) as ws:
        await ws.send(watch(1, session_id))
        ending = (await receive(ws)).end
        assert (ending.stream_id, ending.code, ending.reason) == (1, 5, "SESSION_NOT_FOUND")
        await ws.send(watch(2, mine.session_id))
        await frames_until(ws, lambda seen: caught_up(seen, 2))


async def test_a_stream_that_breaks_says_how_after_what_it_had(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann")

    async def breaks(_request: spb.WatchEventsRequest) -> AsyncIterator[spb.WatchEventsResponse]:
        yield spb.WatchEventsResponse(frames=[epb.Frame(event=epb.Event(seq=1))])
        raise Refusal(Code.OUT_OF_RANGE, "CURSOR_BEYOND_END")

    async def ends(_request: spb.WatchEventsRequest) -> AsyncIterator[spb.WatchEventsResponse]:
        yield spb.WatchEventsResponse(frames=[epb.Frame(event=epb.Event(seq=1))])

    async with opened(ground) as ws:
        for way, code, reason in ((breaks, 11, "CURSOR_BEYOND_END"), (ends, 14, "STREAM_ENDED")):
            ground.sessions.streams[session.session_id] = way
            await ws.send(watch(1, session.session_id))
            assert (await receive(ws)).WhichOneof("response") == "frames"
            ending = (await receive(ws)).end
            assert (ending.code, ending.reason) == (code, reason)


def endless(size: int, pace: float = 0.0) -> Any:
    async def stream(_request: spb.WatchEventsRequest) -> AsyncIterator[spb.WatchEventsResponse]:
        seq = 0
        while True:
            seq += 1
            delta = epb.Delta(item_id="itm_1", channel=epb.CHANNEL_STDOUT, offset=seq * size, data=b"x" * size)
            yield spb.WatchEventsResponse(frames=[epb.Frame(delta=delta)])
            await asyncio.sleep(pace)

    return stream


async def test_a_slow_reader_is_told_to_resync_and_the_others_go_on(tmp_path: Path) -> None:
    async with running(tmp_path, watch_buffer=256 * 1024, watch_stall=0.3) as ground:
        heavy, light = ground.sessions.put("usr_ann"), ground.sessions.put("usr_ann")
        ground.sessions.streams[heavy.session_id] = endless(60_000)
        live = asyncio.Event()

        async def waits(_request: spb.WatchEventsRequest) -> AsyncIterator[spb.WatchEventsResponse]:
            yield spb.WatchEventsResponse(frames=[epb.Frame(event=epb.Event(seq=1))])
            await live.wait()
            yield spb.WatchEventsResponse(frames=[epb.Frame(event=epb.Event(seq=2))])
            await asyncio.Event().wait()

        ground.sessions.streams[light.session_id] = waits
        with _small_socket(ground) as raw:
            async with opened(ground, sock=raw, max_queue=1) as ws:
                await ws.send(watch(2, light.session_id))
                await ws.send(watch(1, heavy.session_id))
                # Nothing is read: the socket fills up, then the heavy watch is given up.
                await until(lambda: ground.sessions.open_watches == 2)
                await until(lambda: ground.sessions.open_watches == 1)
                live.set()
                ending, seqs = None, []
                while ending is None or seqs != [1, 2]:
                    answer = await receive(ws)
                    if answer.HasField("end"):
                        ending = answer.end
                    elif answer.frames.stream_id == 2:
                        frames = spb.WatchEventsResponse.FromString(answer.frames.response).frames
                        seqs += [frame.event.seq for frame in frames]
    assert (ending.stream_id, ending.code, ending.reason) == (1, 8, "RESYNC")


@contextlib.contextmanager
def _small_socket(ground: Ground) -> Any:
    """A client that can hold little, so that a reader who does not read is noticed soon."""
    host, port = ground.base.removeprefix("http://").split(":")
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    raw.connect((host, int(port)))
    raw.setblocking(False)
    with raw:
        yield raw


async def test_a_reader_behind_but_moving_loses_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, watch_buffer=64 * 1024, watch_stall=5.0) as ground:
        session = ground.sessions.put("usr_ann")
        for number in range(300):
            ground.sessions.add(session.session_id, user_message=epb.UserMessage(text=f"{number} " + "x" * 20_000))
        async with opened(ground, max_queue=1) as ws:
            await ws.send(watch(1, session.session_id))
            await asyncio.sleep(0.3)
            seen = await frames_until(ws, lambda seen: caught_up(seen, 1))
    assert [frame.event.seq for frame in seen[1][:-1]] == list(range(1, 301))


async def test_pending_answers_are_joined_up_to_a_limit(tmp_path: Path) -> None:
    async with running(tmp_path) as ground:
        session = ground.sessions.put("usr_ann")
        for _ in range(2000):
            ground.sessions.add(session.session_id, user_message=epb.UserMessage(text="x" * 1000))
        async with opened(ground) as ws:
            await ws.send(watch(1, session.session_id))
            sizes, frames = [], 0
            while frames < 2001:
                answer = await receive(ws)
                sizes.append(len(answer.frames.response))
                frames += len(spb.WatchEventsResponse.FromString(answer.frames.response).frames)
    assert len(sizes) < 200
    assert max(sizes) <= 256 * 1024


@pytest.mark.parametrize(
    "message",
    [b"\xff\xff\xff", b"", "text", watch(0, "ses_1"), StreamRequest(watch={"stream_id": 1}).SerializeToString()],
)
async def test_garbage_closes_the_socket(ground: Ground, message: bytes | str) -> None:
    async with opened(ground) as ws:
        await ws.send(message)
        assert (await closed(ws))[0] == 1003


async def test_an_id_in_use_closes_the_socket(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann")
    async with opened(ground) as ws:
        await ws.send(watch(1, session.session_id))
        await ws.send(watch(1, session.session_id))
        assert (await closed(ws))[0] == 1003
    await until(lambda: ground.sessions.open_watches == 0)


async def test_a_message_that_is_too_large_closes_the_socket(ground: Ground) -> None:
    async with opened(ground) as ws:
        await ws.send(b"\x00" * 100_000)
        assert (await closed(ws))[0] == 1009


async def test_too_many_watches_are_refused_one_by_one(tmp_path: Path) -> None:
    async with running(tmp_path, watches_per_socket=2) as ground:
        session = ground.sessions.put("usr_ann")
        async with opened(ground) as ws:
            for number in (1, 2):
                await ws.send(watch(number, session.session_id))
            await frames_until(ws, lambda seen: caught_up(seen, 1, 2))
            await ws.send(watch(3, session.session_id))
            ending = (await receive(ws)).end
    assert (ending.stream_id, ending.code, ending.reason) == (3, 8, "TOO_MANY_WATCHES")


async def test_a_cut_leaves_nothing_behind(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann")
    ground.sessions.streams[session.session_id] = endless(100, 0.001)
    for _ in range(5):
        async with opened(ground) as ws:
            await ws.send(watch(1, session.session_id))
            await receive(ws)
            ws.transport.abort()
    await until(lambda: ground.sessions.open_watches == 0)


@pytest.mark.parametrize("headers", ["none", "forged", "expired", "key", "cookie"])
async def test_nobody_is_shown_the_door(ground: Ground, headers: str) -> None:
    sent = {
        "none": {},
        "forged": {"Authorization": f"Bearer {ground.token(secret='another-secret-another-secret-00')}"},
        "expired": {"Authorization": f"Bearer {ground.token(ttl=-3600)}"},
        "key": {"X-Internal-Key": "wrong", "X-User-ID": "usr_ann"},
        "cookie": {"Cookie": "lucid_sign_in=made-up", "Origin": ground.base},
    }[headers]
    async with opened(ground, additional_headers=sent) as ws:
        code, reason = await closed(ws)
    assert code == 4010
    assert reason in ("Authentication required", "Invalid token", "Invalid internal API key")


async def test_the_cookie_opens_it_only_from_our_page(ground: Ground) -> None:
    async with ground.browser() as client:
        cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}
        for origin in ({}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": ground.base + ".evil"}):
            with pytest.raises(InvalidStatus) as refused:
                async with opened(ground, additional_headers={**cookie, **origin}):
                    pass
            assert refused.value.response.status_code == 403
        async with opened(ground, additional_headers={**cookie, "Origin": ground.base}) as ws:
            await ws.send(PING)
            assert (await receive(ws)).HasField("pong")


async def test_an_allowed_origin_may_open_it(tmp_path: Path) -> None:
    async with running(tmp_path, allowed_origins=("http://localhost:3000",)) as ground, ground.browser() as client:
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        headers = {"Cookie": cookie, "Origin": "http://localhost:3000"}
        async with opened(ground, additional_headers=headers) as ws:
            await ws.send(PING)
            assert (await receive(ws)).HasField("pong")


async def test_signing_out_ends_open_sockets(tmp_path: Path) -> None:
    async with running(tmp_path, recheck=0.05) as ground, ground.browser() as client:
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        async with opened(ground, additional_headers={"Cookie": cookie, "Origin": ground.base}) as ws:
            await ws.send(PING)
            await receive(ws)
            await client.post("/api/v1/auth/logout")
            assert (await closed(ws))[0] == 4010


async def test_other_sockets_are_not_there(ground: Ground) -> None:
    with pytest.raises(InvalidStatus):
        async with connect(ground.base.replace("http", "ws") + "/api/v1/other", additional_headers=ground.bearer()):
            pass
