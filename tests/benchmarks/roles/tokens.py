"""The whole chain of a token: sessions answer a message each, and what they say is read from the page's socket.

The job: `base_url`, `rpc`, `token`, `pids` (the product's), `sockets` (a list of lists of session ids), `tokens`,
`rate`, `cid`, and `speakers` (session ids) where not each watch has a session of its own. The result: `p50`, `p99`,
`cpu` and `tokens` of the whole turns; `busy_cpu` and `busy_tokens` of the time in which all of them speak; `resident`
bytes of the product before and in the middle.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import grpc
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import Frame

from services.rpc.identity import user_metadata
from services.sessions.client import SessionsClient
from tests.benchmarks.machine import cpu_seconds, resident_bytes
from tests.benchmarks.roles.bare_tokens import summary
from tests.benchmarks.scripted_model import STAMP, marker
from tests.benchmarks.socket_client import PageSocket, page_socket

# The first part of a turn is its start, and the turns end apart.
START_SECONDS, END_SECONDS = 1.5, 0.5


@dataclass
class _Seen:
    """What has come so far, on all sockets."""

    latencies: list[float] = field(default_factory=list)
    caught_up: int = 0
    ended: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, frame: Frame, now: float) -> None:
        kind = frame.WhichOneof("frame")
        if kind == "delta":
            self.latencies += [now - float(sent) for sent in STAMP.findall(frame.delta.data)]
        elif kind == "caught_up":
            self.caught_up += 1
            self.changed.set()
        elif kind == "event" and frame.event.HasField("turn_completed") and self.latencies:
            self.ended += 1
            self.changed.set()


async def run(job: dict[str, Any]) -> dict[str, Any]:
    seen = _Seen()
    everyone = [session for group in job["sockets"] for session in group]
    sessions = SessionsClient(grpc.aio.insecure_channel(job["rpc"]), user_metadata(job["token"]))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        reading = asyncio.gather(*(_follow(http, job, group, seen) for group in job["sockets"]))
        try:
            await _until(reading, seen, lambda: seen.caught_up == len(everyone))
            return await _measure(job, sessions, job.get("speakers") or everyone, reading, seen)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def _follow(http: aiohttp.ClientSession, job: dict[str, Any], group: Sequence[str], seen: _Seen) -> None:
    async with page_socket(http, job["base_url"], job["token"]) as socket:
        for stream_id, session in enumerate(group, 1):
            await socket.watch(stream_id, pb.WatchEventsRequest(session_id=session, last_n=1))
        await _read(socket, seen)


async def _read(socket: PageSocket, seen: _Seen) -> None:
    async for _, frames in socket.frames():
        now = time.time()
        for frame in frames:
            seen.take(frame, now)


async def _measure(
    job: dict[str, Any],
    sessions: SessionsClient,
    speakers: Sequence[str],
    reading: "asyncio.Future[list[None]]",
    seen: _Seen,
) -> dict[str, Any]:
    pids = job["pids"]
    resident = sum(map(resident_bytes, pids))
    say = marker("tokens", job["tokens"], job["cid"], job["rate"])
    began, cpu = time.monotonic(), _cpu(pids)
    await asyncio.gather(
        *(sessions.send_message(pb.SendMessageRequest(session_id=session, text=say)) for session in speakers)
    )
    await asyncio.sleep(START_SECONDS - (time.monotonic() - began))
    busy_cpu, busy_tokens = _cpu(pids), len(seen.latencies)
    await asyncio.sleep(job["tokens"] / job["rate"] - END_SECONDS - (time.monotonic() - began))
    busy = {
        "busy_cpu": _cpu(pids) - busy_cpu,
        "busy_tokens": len(seen.latencies) - busy_tokens,
        "resident": [resident, sum(map(resident_bytes, pids))],
    }
    watches = sum(map(len, job["sockets"]))
    await _until(reading, seen, lambda: seen.ended == watches)
    return busy | {"cpu": _cpu(pids) - cpu} | summary(seen.latencies)


def _cpu(pids: Sequence[int]) -> float:
    return sum(map(cpu_seconds, pids))


async def _until(reading: "asyncio.Future[list[None]]", seen: _Seen, holds: Any) -> None:
    """Waits for what is to be seen; a reader that breaks off is an error at once."""
    async with asyncio.timeout(90):
        while not holds():
            seen.changed.clear()
            changed = asyncio.create_task(seen.changed.wait())
            await asyncio.wait((reading, changed), return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            if reading.done():
                reading.result()
