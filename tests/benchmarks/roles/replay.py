"""Reading a long session: over the page's socket, over gRPC, or its rows straight from the database.

The job: `way` (socket, grpc, rows), `session`, `events` (how many there must be), `last` (0: all), `times`, and
`base_url`, `rpc`, `token`, or `database`. The result: `seconds`, one per time. Every way parses each event.
"""

import sqlite3
import time
from typing import Any

import aiohttp
import grpc
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import Event

from services.rpc.identity import user_metadata
from services.sessions.client import SessionsClient
from tests.benchmarks.socket_client import page_socket


async def run(job: dict[str, Any]) -> dict[str, Any]:
    way = {"socket": _socket, "grpc": _grpc, "rows": _rows}[job["way"]]
    seconds = []
    for _ in range(job["times"]):
        took, events = await way(job)
        assert events == job["events"], f"{events} events came, not {job['events']}"
        seconds.append(took)
    return {"seconds": seconds}


async def _socket(job: dict[str, Any]) -> tuple[float, int]:
    """The socket is open already, as a page's is; the time is from the watch to the mark that all is there."""
    async with aiohttp.ClientSession() as http, page_socket(http, job["base_url"], job["token"]) as socket:
        began, events = time.perf_counter(), 0
        await socket.watch(1, _request(job))
        async for _, frames in socket.frames():
            for frame in frames:
                events += frame.HasField("event")
                if frame.HasField("caught_up"):
                    return time.perf_counter() - began, events
    raise AssertionError


async def _grpc(job: dict[str, Any]) -> tuple[float, int]:
    async with grpc.aio.insecure_channel(job["rpc"]) as channel:
        client = SessionsClient(channel, user_metadata(job["token"]))
        await client.get_session(pb.GetSessionRequest(session_id=job["session"]))
        began, events = time.perf_counter(), 0
        async for answer in client.watch_events(_request(job)):
            for frame in answer.frames:
                events += frame.HasField("event")
                if frame.HasField("caught_up"):
                    return time.perf_counter() - began, events
    raise AssertionError


async def _rows(job: dict[str, Any]) -> tuple[float, int]:
    database = sqlite3.connect(f"file:{job['database']}?mode=ro", uri=True)
    try:
        began = time.perf_counter()
        newest = job["last"] or -1
        query = "SELECT seq, data FROM session_events WHERE session_id = ? ORDER BY seq DESC LIMIT ?"
        if not job["last"]:
            query = "SELECT seq, data FROM session_events WHERE session_id = ? ORDER BY seq LIMIT ?"
        events = [Event.FromString(data) for _, data in database.execute(query, (job["session"], newest))]
        return time.perf_counter() - began, len(events)
    finally:
        database.close()


def _request(job: dict[str, Any]) -> pb.WatchEventsRequest:
    return pb.WatchEventsRequest(session_id=job["session"], last_n=job["last"])
