"""The log as JSON, in pages and as server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from lucid.sessions.v1 import event_pb2 as epb
from lucid.sessions.v1 import sessions_pb2 as pb

from services.rpc.errors import Code
from tests.fakes.services import Refusal
from tests.service.gateway.conftest import Ground, until


def full(ground: Ground, count: int) -> str:
    session = ground.sessions.put("usr_ann")
    for number in range(count):
        ground.sessions.add(session.session_id, user_message=epb.UserMessage(text=f"m{number + 1}\n"))
    return f"/api/v1/sessions/{session.session_id}"


async def test_pages(ground: Ground) -> None:
    path = full(ground, 150)
    async with ground.client() as client:
        first = (await client.get(f"{path}/events")).json()
        middle = (await client.get(f"{path}/events?after_seq=100&limit=2")).json()
        before = (await client.get(f"{path}/events?before_seq=10&limit=3")).json()
        beyond = (await client.get(f"{path}/events?after_seq=4000")).json()
    assert [event["seq"] for event in first["events"]] == list(range(1, 101))
    assert [event["seq"] for event in middle["events"]] == [101, 102]
    assert [event["seq"] for event in before["events"]] == [7, 8, 9]
    assert beyond == {"events": [], "lastSeq": 150}
    assert first["events"][0]["userMessage"] == {"text": "m1\n"}
    assert first["events"][0]["eventId"] == "EVT1"


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "after_seq=-1", "after_seq=4294967296", "before_seq=x"])
async def test_bad_pages(ground: Ground, query: str) -> None:
    async with ground.client() as client:
        assert (await client.get(f"{full(ground, 1)}/events?{query}")).status_code == 422


class Sse:
    """Reads server-sent events as a browser does."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()

    async def next(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        async with asyncio.timeout(10):
            async for line in self._lines:
                if not line:
                    return found
                name, _, value = line.partition(": ")
                found[name] = json.loads(value) if name == "data" else value
        return found


async def test_watching(ground: Ground) -> None:
    path = full(ground, 3)
    session_id = path.rpartition("/")[2]
    go = asyncio.Event()

    async def live(request: pb.WatchEventsRequest) -> AsyncIterator[pb.WatchEventsResponse]:
        event = ground.sessions.events[session_id][2]
        delta = epb.Delta(item_id="itm_1", channel=epb.CHANNEL_MESSAGE, offset=3, data=b"abc", after_seq=3)
        yield pb.WatchEventsResponse(frames=[epb.Frame(event=event), epb.Frame(caught_up=epb.CaughtUp(seq=3))])
        await go.wait()
        yield pb.WatchEventsResponse(frames=[epb.Frame(delta=delta)])
        yield pb.WatchEventsResponse(frames=[epb.Frame(heartbeat=epb.Heartbeat(last_seq=3))])
        await asyncio.Event().wait()

    ground.sessions.streams[session_id] = live
    async with ground.client() as client:
        async with client.stream("GET", f"{path}/watch?after_seq=2") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            stream = Sse(answer)
            event = await stream.next()
            assert (event["id"], "event" in event, event["data"]["userMessage"]["text"]) == ("3", False, "m3\n")
            assert await stream.next() == {"event": "caught_up", "data": {"seq": 3}}
            go.set()
            delta = await stream.next()
            assert (delta["event"], "id" in delta, delta["data"]["data"]) == ("delta", False, "YWJj")
            assert (await stream.next())["event"] == "heartbeat"
        await until(lambda: ground.sessions.open_watches == 0)
    assert ground.sessions.last("WatchEvents").request.after_seq == 2


async def test_last_event_id_comes_before_the_query(ground: Ground) -> None:
    path = full(ground, 5)
    async with ground.client() as client:
        headers = {"Last-Event-ID": "4"}
        async with client.stream("GET", f"{path}/watch?after_seq=1", headers=headers) as answer:
            assert (await Sse(answer).next())["id"] == "5"
        for bad in ("x", "-1", "4294967296", "1.5", "²"):
            refused = await client.get(f"{path}/watch", headers={"Last-Event-ID": bad.encode("latin-1")})
            assert refused.status_code == 400


async def test_a_watch_that_is_refused_has_a_status(ground: Ground) -> None:
    path = full(ground, 1)
    ground.sessions.fail["WatchEvents"] = Refusal(Code.OUT_OF_RANGE, "CURSOR_BEYOND_END", "The log ends at 1.")
    async with ground.client() as client:
        answer = await client.get(f"{path}/watch?after_seq=9")
    assert (answer.status_code, answer.json()) == (400, {"detail": "The log ends at 1."})


async def test_a_watch_that_breaks_says_how(ground: Ground) -> None:
    path = full(ground, 1)

    async def breaks(request: pb.WatchEventsRequest) -> AsyncIterator[pb.WatchEventsResponse]:
        yield pb.WatchEventsResponse(frames=[epb.Frame(event=ground.sessions.events[request.session_id][0])])
        raise Refusal(Code.RESOURCE_EXHAUSTED, "RESYNC", "Too slow.")

    ground.sessions.streams[path.rpartition("/")[2]] = breaks
    async with ground.client() as client, client.stream("GET", f"{path}/watch") as answer:
        stream = Sse(answer)
        assert (await stream.next())["id"] == "1"
        assert await stream.next() == {"event": "end", "data": {"code": 8, "reason": "RESYNC", "message": "Too slow."}}
